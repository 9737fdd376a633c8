/** What was typed and not saved. It is kept in the browser, so that a reload or a crash loses nothing. */

export interface Draft {
  /** What it began with; nothing: a script that is not there yet. */
  base?: { version: number; sha256: string }
  /** Changed files by path. */
  texts: Record<string, string>
}

const PREFIX = 'cronbox.draft.'
/** Key of the draft of a script that has no name yet. */
export const NEW = ''

/** Texts larger than this are only kept in memory: the browser keeps some megabytes for all pages together. */
const MOST = 1_000_000

const memory = new Map<string, Draft>()

export function draftOf(name: string): Draft | undefined {
  const known = memory.get(name)
  if (known) return known
  try {
    const kept = localStorage.getItem(PREFIX + name)
    return kept === null ? undefined : (JSON.parse(kept) as Draft)
  } catch {
    return undefined
  }
}

export function keepDraft(name: string, draft: Draft): void {
  memory.set(name, draft)
  const text = JSON.stringify(draft)
  try {
    if (text.length <= MOST) localStorage.setItem(PREFIX + name, text)
  } catch {
    // The browser has no room: the page still has it.
  }
}

export function dropDraft(name: string): void {
  memory.delete(name)
  try {
    localStorage.removeItem(PREFIX + name)
  } catch {
    // Nothing is kept where nothing can be kept.
  }
}
