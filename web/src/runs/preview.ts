/** What a run came to, in one line. */
import type { Run } from '../api/client'
import { isEnded } from '../ui/status'
import { lastLine } from './error'
import { visibleText } from './output/ansi'
import { isFigure, type Json } from './result/exact'

export interface Preview {
  kind: 'result' | 'error' | 'large' | 'none'
  text: string
}

const NONE: Preview = { kind: 'none', text: '' }
/** So much of a result is shown. */
const PREVIEW = 200

/** What came of a run. A large result is not in lists. */
export function previewOf(run: Run): Preview {
  if (!isEnded(run.status)) return NONE
  if (run.error) {
    const message = run.error.message.trim() || lastLine(run.error.traceback)
    return { kind: 'error', text: short(message ? `${run.error.type}: ${message}` : run.error.type) }
  }
  if (run.result === null || run.result === undefined) return run.result_bytes && run.result_bytes > 4 ? { kind: 'large', text: '' } : NONE
  return { kind: 'result', text: short(compact(run.result as Json)) }
}

function short(text: string): string {
  const line = visibleText(text.slice(0, PREVIEW + 50).replace(/\s+/g, ' '))
  return line.length > PREVIEW ? `${line.slice(0, PREVIEW)}…` : line
}

/** JSON on one line; no more than is shown. */
export function compact(value: Json): string {
  if (typeof value === 'string') return value
  let text = ''
  const write = (part: Json): void => {
    if (text.length > PREVIEW + 50) return
    if (isFigure(part)) text += part.text
    else if (Array.isArray(part)) {
      text += '['
      for (let at = 0; at < part.length && text.length <= PREVIEW + 50; at += 1) {
        if (at > 0) text += ', '
        write(part[at] ?? null)
      }
      text += ']'
    } else if (typeof part === 'object' && part !== null) {
      text += '{'
      let isFirst = true
      for (const key of Object.keys(part)) {
        if (text.length > PREVIEW + 50) break
        text += `${isFirst ? '' : ', '}${key}: `
        isFirst = false
        write(part[key] ?? null)
      }
      text += '}'
    } else text += JSON.stringify(part)
  }
  write(value)
  return text
}
