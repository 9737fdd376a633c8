/** The filters of the list of alerts and of the list of messages, in the address. */
import type { LocationQuery } from 'vue-router'
import type { Alert, Schemas } from '../api/client'

export interface AlertFilter {
  script?: string
  schedule?: string
  label?: string
  notify?: string
  state?: Schemas['AlertState']
  q: string
}

const STATES: readonly Schemas['AlertState'][] = ['ok', 'firing']
export const DELIVERY_STATES: readonly Schemas['DeliveryState'][] = ['waiting', 'sent', 'dead']

const text = (query: LocationQuery, key: string): string => (typeof query[key] === 'string' ? query[key].trim() : '')
const oneOf = <T extends string>(words: readonly T[], word: string): T | undefined => words.find((each) => each === word)

export function alertFilter(query: LocationQuery): AlertFilter {
  const filter: AlertFilter = { q: text(query, 'q') }
  // An alert is about one thing.
  const about = (['script', 'schedule', 'label'] as const).find((key) => text(query, key) !== '')
  if (about) filter[about] = text(query, about)
  if (text(query, 'notify')) filter.notify = text(query, 'notify')
  const state = oneOf(STATES, text(query, 'state'))
  if (state) filter.state = state
  return filter
}

/** What the server is asked for. */
export function askedAlerts({ q: _, ...rest }: AlertFilter): Omit<AlertFilter, 'q'> {
  return rest
}

/** What an alert is about, as a text. */
export const aboutText = ({ about }: Pick<Alert, 'about'>): string => about.script ?? about.schedule ?? about.label ?? ''

/** The alerts whose id, condition or subject holds the text. */
export function found(alerts: readonly Alert[], typed: string): Alert[] {
  const wanted = typed.trim().toLowerCase()
  const has = (alert: Alert): boolean => [alert.id, alert.text, aboutText(alert), ...alert.notify].some((each) => each.toLowerCase().includes(wanted))
  return alerts.filter((alert) => wanted === '' || has(alert))
}

/** Filters of messages that are one text each. */
export const DELIVERY_TEXTS = ['channel', 'alert', 'script', 'run'] as const
export type DeliveryText = (typeof DELIVERY_TEXTS)[number]
export type DeliveryFilter = Partial<Record<DeliveryText, string>> & { state?: Schemas['DeliveryState'] }

export function deliveryFilter(query: LocationQuery): DeliveryFilter {
  const filter: DeliveryFilter = {}
  for (const name of DELIVERY_TEXTS) if (text(query, name)) filter[name] = text(query, name)
  const state = oneOf(DELIVERY_STATES, text(query, 'state'))
  if (state) filter.state = state
  return filter
}
