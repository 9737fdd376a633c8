import { expect, it } from 'vitest'
import { channelBody, type ChannelDraft, destinationOf, draftOfChannel, emptyChannel, newSecret, TYPES, withoutValue } from './channel-form'
import type { Channel } from './data'

/** A draft with something in every field. */
const full: ChannelDraft = {
  name: 'x', type: 'webhook', language: 'zh', url: ' https://a.example/hook ', makesSecret: false, secrets: 'whsec_a\n\n whsec_b ', secret: 's', to: ['a@b.example'],
  from: 'c@b.example', host: 'mail.example', port: '2525', tls: 'implicit', username: 'u', password: 'p', token: '1:a', chat: '@c', topic: 't', method: 'PUT',
  headers: 'Authorization: Bearer x:y\n\nX-A:1', body: '{"n": 12345678901234567890}',
}
const smtp = { host: 'mail.example', port: 2525, tls: 'implicit', username: 'u', password: 'p' }
const url = 'https://a.example/hook'

it.each([
  ['webhook', { url, secrets: ['whsec_a', 'whsec_b'] }],
  ['email', { to: ['a@b.example'], smtp, from: 'c@b.example' }],
  ['slack', { url }],
  ['discord', { url }],
  ['teams', { url }],
  ['telegram', { token: '1:a', chat: '@c', url }],
  ['ntfy', { topic: 't', token: '1:a', url }],
  ['feishu', { url, secret: 's' }],
  ['dingtalk', { url, secret: 's' }],
  ['wecom', { url }],
] as const)('a channel of type %s has its own fields only', (type, fields) => {
  expect(JSON.parse(channelBody({ ...full, type }, undefined))).toEqual({ type, language: 'zh', ...fields })
})

it('keeps the numbers of a body of JSON as they are typed', () => {
  const text = channelBody({ ...full, type: 'template' }, undefined)
  expect(text).toContain('"body":{"n": 12345678901234567890}}')
  expect(JSON.parse(text)).toMatchObject({ type: 'template', method: 'PUT', headers: { Authorization: 'Bearer x:y', 'X-A': '1' } })
  expect(JSON.parse(channelBody({ ...full, type: 'template', body: 'plain {{text}}' }, undefined))).toMatchObject({ body: 'plain {{text}}' })
})

it('leaves out what is empty, so that the server says what is missing', () => {
  for (const type of TYPES) {
    const body = JSON.parse(channelBody({ ...emptyChannel(), type }, undefined)) as Record<string, unknown>
    expect(Object.keys(body).filter((key) => !['type', 'language', 'to', 'secrets', 'headers', 'method'].includes(key))).toEqual([])
  }
})

it('sends the secret that was made for a webhook', () => {
  const made = newSecret()
  expect(made).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(newSecret()).not.toBe(made)
  expect(JSON.parse(channelBody(full, made))).toEqual({ type: 'webhook', language: 'zh', url, secret: made })
})

const channel = (part: Partial<Channel>): Channel =>
  ({ name: 'x', type: 'webhook', language: 'en', origin: null, secrets: 0, to: [], from: null, smtp: null, chat: null, topic: null, method: null, headers: [], off: null, ...part }) as Channel

it('begins a change with what can be read', () => {
  const email = draftOfChannel(channel({ type: 'email', to: ['a@b.example'], smtp: 'mail.example:465', from: 'c@b.example' }))
  expect([email.host, email.port, email.to, email.from, email.password]).toEqual(['mail.example', '465', ['a@b.example'], 'c@b.example', ''])
  const template = draftOfChannel(channel({ type: 'template', method: 'PUT', headers: ['Authorization', 'X-A'], body: { a: 1 } }))
  expect([template.method, template.headers, template.body]).toEqual(['PUT', 'Authorization: \nX-A: ', '{\n  "a": 1\n}'])
  expect(withoutValue(template.headers)).toEqual(['Authorization:', 'X-A:'])
  expect(withoutValue('A: b\nno colon')).toEqual(['no colon'])
  expect(draftOfChannel(channel({ type: 'email', smtp: '[::1]:25' })).host).toBe('[::1]')
})

it('says where messages go', () => {
  expect(destinationOf(channel({ origin: 'https://a.example' }))).toBe('https://a.example')
  expect(destinationOf(channel({ topic: 'ops', origin: 'https://ntfy.sh' }))).toBe('ops · https://ntfy.sh')
  expect(destinationOf(channel({ to: ['a@b.example', 'c@d.example'] }))).toBe('a@b.example, c@d.example')
})
