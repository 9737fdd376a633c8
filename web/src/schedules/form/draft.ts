/** What was typed and not saved, kept in this tab of the browser: a reload loses nothing. */
import { dropKept, keep, kept } from '../../ui/kept'
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
  const draft = kept('tab', keyOf(name))
  if (typeof draft !== 'object' || draft === null) return undefined
  const [form, base] = [readForm(Reflect.get(draft, 'form')), readForm(Reflect.get(draft, 'base'))]
  return form && base && { form, base }
}

/** Nothing takes it away. */
export function keepDraft(name: string, draft: Draft | undefined): void {
  if (draft) keep('tab', keyOf(name), draft)
  else dropKept('tab', keyOf(name))
}
