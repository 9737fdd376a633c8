/** What was typed and not saved. It is kept in the browser, so that a reload or a crash loses nothing. */
import { dropKept, keep, kept } from '../ui/kept'

export interface Draft {
  /** What it began with; nothing: a script that is not there yet. */
  base?: { version: number; sha256: string }
  /** Changed files by path. */
  texts: Record<string, string>
}

const PREFIX = 'cronbox.draft.'
/** Key of the draft of a script that has no name yet. */
export const NEW = ''

/** Larger drafts are kept by the page alone. */
const MOST = 1_000_000

export const draftOf = (name: string): Draft | undefined => kept('browser', PREFIX + name) as Draft | undefined
export const keepDraft = (name: string, draft: Draft): void => keep('browser', PREFIX + name, draft, MOST)
export const dropDraft = (name: string): void => dropKept('browser', PREFIX + name)
