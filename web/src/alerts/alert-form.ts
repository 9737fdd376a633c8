/** An alert as it is made or changed. */
import type { Alert, Schemas } from '../api/client'
import type { About } from './data'

export const KINDS = ['script', 'schedule', 'label', 'everything'] as const
export type Kind = (typeof KINDS)[number]
/** After how long an alert says again that it fires. */
export const REPEATS = ['1h', '6h', '1d', '7d', 'never'] as const

export interface AlertDraft {
  id: string
  kind: Kind
  script: string
  schedule: string
  label: string
  text: string
  notify: string[]
  repeat: string
  recovered: boolean
}

export const emptyAlert = (): AlertDraft => ({
  id: '', kind: 'script', script: '', schedule: '', label: '', text: '', notify: [], repeat: '1d', recovered: true,
})

export function draftOf(alert: Alert): AlertDraft {
  const { script, schedule, label } = alert.about
  const kind: Kind = script ? 'script' : schedule ? 'schedule' : label ? 'label' : 'everything'
  const { id, text, notify, repeat, recovered } = alert
  return { id, kind, script: script ?? '', schedule: schedule ?? '', label: label ?? '', text, notify, repeat, recovered }
}

/** What it is about; nothing: that is not said yet. */
export function aboutOf(draft: AlertDraft): About | undefined {
  if (draft.kind === 'everything') return { everything: true }
  const subject = draft[draft.kind].trim()
  return subject === '' ? undefined : { [draft.kind]: subject }
}

export function alertBody(draft: AlertDraft): Schemas['AlertRequest'] {
  return { about: aboutOf(draft) ?? {}, text: draft.text.trim(), notify: draft.notify, repeat: draft.repeat, recovered: draft.recovered }
}

const LONGEST = 60
const SIGNS: [RegExp, string][] = [[/!=/g, ' not '], [/>/g, ' above '], [/</g, ' below '], [/=/g, ' is ']]

/** A name for an alert that has none yet: `price.price-above-100`, as that of a script's block. */
export function suggestedId(draft: AlertDraft): string {
  const plain = SIGNS.reduce((text, [sign, word]) => text.replace(sign, word), draft.text)
  const condition = plain.replace(/[^\p{L}\p{N}.]+/gu, '-').replace(/\.{2,}/g, '-').replace(/^[-.]+|[-.]+$/g, '').toLowerCase()
  const about = draft.kind === 'everything' ? 'all' : draft[draft.kind].replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+/, '')
  return [about, condition].filter((part) => part !== '').join('.').slice(0, LONGEST)
}

function readDraft(value: unknown): AlertDraft | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const draft = emptyAlert()
  for (const key of ['id', 'script', 'schedule', 'label', 'text', 'repeat'] as const) {
    const text: unknown = Reflect.get(value, key)
    if (typeof text === 'string') draft[key] = text
  }
  const [kind, notify, recovered]: unknown[] = [Reflect.get(value, 'kind'), Reflect.get(value, 'notify'), Reflect.get(value, 'recovered')]
  draft.kind = KINDS.find((each) => each === kind) ?? draft.kind
  if (Array.isArray(notify)) draft.notify = notify.filter((each) => typeof each === 'string')
  if (typeof recovered === 'boolean') draft.recovered = recovered
  return draft
}

/** A draft that a browser kept, with the mark of the alert that it changes; nothing: it is none. */
export function readKept(value: unknown): { draft: AlertDraft; etag: string | undefined } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const [draft, etag] = [readDraft(Reflect.get(value, 'draft')), Reflect.get(value, 'etag') as unknown]
  return draft && { draft, etag: typeof etag === 'string' ? etag : undefined }
}

/** What people type, in the groups that the form shows. `/price` stands for a place in the result. */
export const EXAMPLES = {
  outcome: ['failed', 'failed 3', 'failed timed_out', 'recovered'],
  time: ['missed', 'skipped', 'late 5m', 'running 10m', 'queued 1m', 'stale 26h'],
  result: ['/price > 100', '/price changed 5%', '/price outside 10..20', '/state != "ok"', '/price missing', '/price outlier 5'],
  cost: ['fuel 3x', 'memory 2x', 'duration 3x'],
} as const
export type ExampleGroup = keyof typeof EXAMPLES
