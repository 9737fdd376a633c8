/** Arguments as a JSON text. */

/** Why a text is not JSON; nothing when it is, or when it is empty. */
export function jsonProblem(text: string): string | undefined {
  if (text.trim() === '') return undefined
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The text of arguments: nothing for none. */
export function argsText(args: unknown): string {
  const isEmpty = args === null || args === undefined || (typeof args === 'object' && Object.keys(args).length === 0)
  return isEmpty ? '' : JSON.stringify(args, null, 2)
}

/** The arguments of a text. */
export const readArgs = (text: string): unknown => (text.trim() === '' ? {} : JSON.parse(text))
