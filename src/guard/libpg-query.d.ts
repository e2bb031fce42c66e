/** The emscripten module inside libpg-query 18.1.5: its own wrapper keeps one instance for good and parses the JSON twice over. */
declare module 'libpg-query/wasm/libpg-query.js' {
  export interface GrammarModule {
    readonly HEAPU32: Uint32Array
    lengthBytesUTF8(text: string): number
    stringToUTF8(text: string, pointer: number, bytesMax: number): void
    UTF8ToString(pointer: number): string
    _malloc(bytes: number): number
    _free(pointer: number): void
    _wasm_parse_query_raw(text: number): number
    _wasm_free_parse_result(result: number): void
  }
  export default function createModule(options: {
    print: (line: string) => void
    printErr: (line: string) => void
  }): Promise<GrammarModule>
}
