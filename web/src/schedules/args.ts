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
