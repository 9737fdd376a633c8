/** What was typed and not saved, kept in this tab of the browser: a reload loses nothing. */
import { emptyForm, FIELDS, type Form } from './form'

export interface Draft {
  form: Form
  /** What it began with. */
  base: Form
}

const keyOf = (name: string): string => `cronbox.schedule.${name}`

function readForm(value: unknown): Form | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const form = emptyForm()
  for (const field of FIELDS) {
    const text: unknown = Reflect.get(value, field)
    if (typeof text === 'string') form[field] = text
  }
  return form
}

/** The draft of a schedule, or of a new one under another name. */
export function keptDraft(name: string): Draft | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(keyOf(name)) ?? 'null')
    if (typeof kept !== 'object' || kept === null) return undefined
    const [form, base] = [readForm(Reflect.get(kept, 'form')), readForm(Reflect.get(kept, 'base'))]
    return form && base && { form, base }
  } catch {
    return undefined
  }
}

/** Nothing takes it away. */
export function keepDraft(name: string, draft: Draft | undefined): void {
  try {
    if (draft) sessionStorage.setItem(keyOf(name), JSON.stringify(draft))
    else sessionStorage.removeItem(keyOf(name))
  } catch {
    // A browser that keeps nothing: the page itself still has it.
  }
}
