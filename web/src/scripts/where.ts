/** Where in a script a run went wrong. */
import type { Schemas } from '../api/client'

const FRAME = /File "\/app\/([^"\n]+)", line (\d+)/g
/** How a limit says where it stopped a run. */
const STOPPED = /at \/app\/([^,\n]+), line (\d+)/g

export interface Place {
  /** Below /app. */
  file: string
  line: number
}

/** The innermost line of the script's own files, or of one of them. */
export function placeOf(error: Schemas['ScriptError'], file?: string): Place | undefined {
  const all = [...error.traceback.matchAll(FRAME), ...error.message.matchAll(STOPPED)]
  const places = all.map(([, name = '', line]) => ({ file: name, line: Number(line) }))
  return places.findLast((place) => file === undefined || place.file === file)
}
