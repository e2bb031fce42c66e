/** Functions whose argument is the size of their result: what is written as a constant is capped. */
import { type Judgement, refuse } from './judgement.ts'
import { constantOf, type Fields, isFields, kindOf, listOf, locationOf, namesOf, unwrap } from './tree.ts'

/** Rows of one generate_series. */
const seriesRowsMax = 10_000_000
/** Elements of one array_fill. */
const arrayElementsMax = 1_000_000
/** Width of one field of format(). */
const formatWidthMax = 1_000_000

export function judgeSizes(judgement: Judgement, name: string, call: Fields): void {
  const args = listOf(call.args)
  const { cellMaxBytes } = judgement.context.policy.limits
  switch (name) {
    case 'repeat':
      return check(judgement, call, name, (lengthOf(args[0]) ?? 1) * (numberOfConstant(args[1]) ?? 0), cellMaxBytes)
    case 'lpad':
    case 'rpad':
      return check(judgement, call, name, numberOfConstant(args[1]) ?? 0, cellMaxBytes)
    case 'generate_series':
      return check(judgement, call, name, seriesRows(args), seriesRowsMax)
    case 'array_fill':
      return check(judgement, call, name, arrayElements(args[1]), arrayElementsMax)
    case 'format':
      return check(judgement, call, name, widestField(constantOf(args[0])), formatWidthMax)
    default:
      return
  }
}

function check(judgement: Judgement, call: Fields, name: string, size: number, sizeMax: number): void {
  if (size <= sizeMax) return
  refuse(judgement, 'size', {
    code: '54000',
    message: `${name} of size ${size} is refused here: at most ${sizeMax}`,
    hint: 'Ask for less at a time.',
    at: locationOf(call),
  })
}

/** The length of a text that is written out, or made by the same functions out of such. */
function lengthOf(node: unknown): number | undefined {
  const constant = constantOf(node)
  if (constant?.type === 'string') return constant.value.length
  const cast = unwrap(node, 'TypeCast')
  if (cast !== undefined) return lengthOf(cast.arg)
  const call = unwrap(node, 'FuncCall')
  if (call === undefined) return undefined
  const args = listOf(call.args)
  const size = numberOfConstant(args[1])
  switch (namesOf(call.funcname).at(-1)) {
    case 'repeat':
      return size === undefined ? undefined : (lengthOf(args[0]) ?? 1) * size
    case 'lpad':
    case 'rpad':
      return size
    default:
      return undefined
  }
}

/** A number written out, or arithmetic over such. */
function numberOfConstant(node: unknown): number | undefined {
  if (!isFields(node)) return undefined
  const constant = constantOf(node)
  if (constant?.type === 'integer') return constant.value
  if (constant?.type === 'float' || constant?.type === 'string') {
    const value = Number(constant.value.replaceAll('_', ''))
    return Number.isFinite(value) ? value : undefined
  }
  if (kindOf(node) === 'TypeCast') return numberOfConstant(unwrap(node, 'TypeCast')?.arg)
  const operation = unwrap(node, 'A_Expr')
  if (operation === undefined) return undefined
  const right = numberOfConstant(operation.rexpr)
  const left = operation.lexpr === undefined ? 0 : numberOfConstant(operation.lexpr)
  if (left === undefined || right === undefined) return undefined
  return compute(namesOf(operation.name).at(-1) ?? '', left, right)
}

function compute(operator: string, left: number, right: number): number | undefined {
  switch (operator) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    case '^':
      return left ** right
    default:
      return undefined
  }
}

/** Of numbers only; a series of dates is as long as its text does not tell. */
function seriesRows(args: readonly unknown[]): number {
  const from = numberOfConstant(args[0])
  const to = numberOfConstant(args[1])
  const step = args[2] === undefined ? 1 : numberOfConstant(args[2])
  if (from === undefined || to === undefined || step === undefined || step === 0) return 0
  return Math.max(0, Math.floor((to - from) / step) + 1)
}

function arrayElements(dimensions: unknown): number {
  const list = listOf(unwrap(dimensions, 'A_ArrayExpr')?.elements)
  return list.length === 0 ? 0 : list.reduce<number>((product, size) => product * (numberOfConstant(size) ?? 1), 1)
}

function widestField(constant: ReturnType<typeof constantOf>): number {
  if (constant?.type !== 'string') return 0
  const widths = constant.value.matchAll(/%(?:\d+\$)?-?(\d+)/g)
  return Math.max(0, ...Array.from(widths, match => Number(match[1])))
}
