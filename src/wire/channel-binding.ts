/**
 * Channel binding data `tls-server-end-point` (RFC 5929 section 4.1): the hash of the server's certificate under the hash
 * of its own signature, SHA-256 where that is MD5 or SHA-1.
 */
import { createHash } from 'node:crypto'

const SEQUENCE = 0x30
const OBJECT_IDENTIFIER = 0x06
const RSASSA_PSS = '2a864886f70d01010a'

/** Signature algorithm → hash, both by the DER bytes of the OID in hex. */
const hashBySignature = new Map([
  ['2a864886f70d010104', 'sha256'], // md5WithRSAEncryption
  ['2a864886f70d010105', 'sha256'], // sha1WithRSAEncryption
  ['2a864886f70d01010e', 'sha224'],
  ['2a864886f70d01010b', 'sha256'],
  ['2a864886f70d01010c', 'sha384'],
  ['2a864886f70d01010d', 'sha512'],
  ['2a8648ce3d0401', 'sha256'], // ecdsa-with-SHA1
  ['2a8648ce3d040301', 'sha224'],
  ['2a8648ce3d040302', 'sha256'],
  ['2a8648ce3d040303', 'sha384'],
  ['2a8648ce3d040304', 'sha512'],
])

const hashByPssParameter = new Map([
  ['608648016503040204', 'sha224'],
  ['608648016503040201', 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
])

/**
 * @param certificate the server's certificate, DER
 * @returns undefined where the signature names no single hash (Ed25519): then there is no channel binding to offer
 */
export function serverEndPoint(certificate: Uint8Array): Buffer | undefined {
  const hash = signatureHash(Buffer.from(certificate.buffer, certificate.byteOffset, certificate.length))
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest()
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { algorithm OID, parameters }, signature } */
function signatureHash(der: Buffer): string | undefined {
  const certificate = readElement(der, 0, SEQUENCE)
  const body = certificate && readElement(der, certificate.start, SEQUENCE)
  const algorithm = body && readElement(der, body.end, SEQUENCE)
  const identifier = algorithm && readElement(der, algorithm.start, OBJECT_IDENTIFIER)
  if (!algorithm || !identifier) return undefined
  const signature = der.toString('hex', identifier.start, identifier.end)
  if (signature !== RSASSA_PSS) return hashBySignature.get(signature)
  return pssHash(der.subarray(identifier.end, algorithm.end))
}

/** RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm SEQUENCE { OID } DEFAULT sha1, … } */
function pssHash(parameters: Buffer): string | undefined {
  const sequence = readElement(parameters, 0, SEQUENCE)
  const tagged = sequence && readElement(parameters, sequence.start, 0xa0)
  if (!tagged) return sequence && 'sha256'
  const algorithm = readElement(parameters, tagged.start, SEQUENCE)
  const identifier = algorithm && readElement(parameters, algorithm.start, OBJECT_IDENTIFIER)
  return identifier && hashByPssParameter.get(parameters.toString('hex', identifier.start, identifier.end))
}

/** One DER element with the wanted tag: where its content starts and ends. */
function readElement(der: Buffer, at: number, tag: number): { start: number; end: number } | undefined {
  if (at + 2 > der.length || der[at] !== tag) return undefined
  const first = der[at + 1]!
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const start = at + 2 + lengthBytes
  if (lengthBytes > 4 || start > der.length) return undefined
  const length = lengthBytes === 0 ? first : der.readUIntBE(at + 2, lengthBytes)
  return start + length > der.length ? undefined : { start, end: start + length }
}
