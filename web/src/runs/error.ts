/** Where in the user's files an error is. */
import type { Schemas } from '../api/client'

export interface Place {
  /** Below /app. */
  file: string
  line: number
  /** The function, where the traceback names it. */
  inside: string | undefined
}

const FRAME = /File "\/app\/([^"\n]+)", line (\d+)(?:, in (.+))?/g
/** How a limit says where it stopped a run. */
const STOPPED = /at \/app\/([^,\n]+), line (\d+)(?:, in ([^\s;]+))?/g

/** The innermost line of the user's own files; undefined: the error is in none. */
export function placeOf(error: Schemas['ScriptError']): Place | undefined {
  const found = [...error.traceback.matchAll(FRAME)].at(-1) ?? [...error.message.matchAll(STOPPED)].at(-1)
  const [, file, line, inside] = found ?? []
  return file && line ? { file, line: Number(line), inside: inside?.trim() } : undefined
}

/** The last line that is not empty: in Python's tracebacks it says what happened. */
export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? ''
}
