/** A channel as it is set. What is secret in one that is there cannot be read: it is typed again. */
import type { Schemas } from '../api/client'
import type { Channel } from './data'

export type ChannelType = Schemas['ChannelType']
export type ChannelField =
  | 'url' | 'signing' | 'secret' | 'to' | 'from' | 'smtp' | 'token' | 'chat' | 'topic' | 'method' | 'headers' | 'body'

/** The fields of each type, those that it needs first. */
export const FIELDS: Record<ChannelType, { needed: readonly ChannelField[]; more: readonly ChannelField[] }> = {
  webhook: { needed: ['url', 'signing'], more: [] },
  email: { needed: ['to', 'smtp'], more: ['from'] },
  slack: { needed: ['url'], more: [] },
  discord: { needed: ['url'], more: [] },
  teams: { needed: ['url'], more: [] },
  telegram: { needed: ['token', 'chat'], more: ['url'] },
  ntfy: { needed: ['topic'], more: ['token', 'url'] },
  feishu: { needed: ['url'], more: ['secret'] },
  dingtalk: { needed: ['url'], more: ['secret'] },
  wecom: { needed: ['url'], more: [] },
  template: { needed: ['url'], more: ['method', 'headers', 'body'] },
}
export const TYPES = Object.keys(FIELDS) as ChannelType[]
export const has = (type: ChannelType, field: ChannelField): boolean => FIELDS[type].needed.includes(field) || FIELDS[type].more.includes(field)

export const TLS = ['starttls', 'implicit', 'none'] as const
export const LANGUAGES = ['en', 'zh'] as const

export interface ChannelDraft {
  name: string
  type: ChannelType
  language: string
  url: string
  /** Whether a webhook gets a new secret, which is made here. */
  makesSecret: boolean
  /** The secrets of a webhook, one a line: several while one takes the place of another. */
  secrets: string
  secret: string
  to: string[]
  from: string
  host: string
  port: string
  tls: (typeof TLS)[number]
  username: string
  password: string
  token: string
  chat: string
  topic: string
  method: string
  /** `Name: value`, one a line. */
  headers: string
  body: string
}

export const emptyChannel = (): ChannelDraft => ({
  name: '', type: 'webhook', language: 'en', url: '', makesSecret: true, secrets: '', secret: '', to: [], from: '', host: '', port: '', tls: 'starttls',
  username: '', password: '', token: '', chat: '', topic: '', method: 'POST', headers: '', body: '',
})

/** A body as it was set: a text, or JSON. */
const bodyText = (body: unknown): string => (body === undefined || body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body, null, 2))

/** The same channel without what cannot be read: that is empty. */
export function draftOfChannel(channel: Channel): ChannelDraft {
  const [host = '', port = ''] = channel.smtp === null ? [] : splitPort(channel.smtp)
  return {
    ...emptyChannel(),
    name: channel.name,
    type: channel.type,
    language: channel.language,
    to: channel.to,
    from: channel.from ?? '',
    host,
    port,
    chat: channel.chat ?? '',
    topic: channel.topic ?? '',
    method: channel.method ?? 'POST',
    headers: channel.headers.map((name) => `${name}: `).join('\n'),
    body: bodyText(channel.body),
  }
}

/** A host and its port; an IPv6 address is in brackets. */
function splitPort(text: string): [string, string] {
  const at = text.lastIndexOf(':')
  return at < 0 || text.endsWith(']') ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '')

/** The lines of headers that have no value: one of a channel that is there has to be typed again. */
export const withoutValue = (headers: string): string[] => lines(headers).filter((line) => !/^[^:]+:\s*\S/.test(line))

function headersOf(text: string): Record<string, string> {
  return Object.fromEntries(lines(text).map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]))
}

function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

function smtpOf(draft: ChannelDraft): Record<string, string | number> {
  const { host, port, tls, username, password } = draft
  // What is no number is told by the server.
  const asNumber = /^\d+$/.test(port.trim()) ? Number(port) : port.trim()
  return { host: host.trim(), tls, ...(port.trim() ? { port: asNumber } : {}), ...(username ? { username } : {}), ...(password ? { password } : {}) }
}

/** The fields of the request, with the secret that was made for a webhook. */
function fieldsOf(draft: ChannelDraft, made: string | undefined): Record<string, unknown> {
  const text = (value: string): string | undefined => (value.trim() === '' ? undefined : value.trim())
  const given: Record<ChannelField, Record<string, unknown>> = {
    url: { url: text(draft.url) },
    signing: made === undefined ? { secrets: lines(draft.secrets) } : { secret: made },
    secret: { secret: text(draft.secret) },
    to: { to: draft.to },
    from: { from: text(draft.from) },
    smtp: { smtp: draft.host.trim() === '' ? undefined : smtpOf(draft) },
    token: { token: text(draft.token) },
    chat: { chat: text(draft.chat) },
    topic: { topic: text(draft.topic) },
    method: { method: draft.method },
    headers: { headers: headersOf(draft.headers) },
    body: { body: draft.body.trim() === '' || isJson(draft.body) ? undefined : draft.body },
  }
  const { needed, more } = FIELDS[draft.type]
  return Object.assign({ type: draft.type, language: draft.language }, ...[...needed, ...more].map((field) => given[field])) as Record<string, unknown>
}

/** The request, as text: numbers of a body of JSON stay as they were typed. */
export function channelBody(draft: ChannelDraft, made: string | undefined): string {
  const text = JSON.stringify(fieldsOf(draft, made))
  return has(draft.type, 'body') && isJson(draft.body) ? `${text.slice(0, -1)},"body":${draft.body}}` : text
}

/** A secret for a webhook: `whsec_` and 32 random bytes. */
export function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return `whsec_${btoa(String.fromCharCode(...bytes))}`
}

/** Where the messages of a channel go, in a few words. */
export function destinationOf(channel: Channel): string {
  if (channel.to.length > 0) return channel.to.join(', ')
  return [channel.chat ?? channel.topic, channel.origin].filter(Boolean).join(' · ')
}
