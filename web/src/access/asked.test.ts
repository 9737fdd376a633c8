import { describe, expect, it } from 'vitest'
import { allWishes, amount, covers, wishesOf, type SecretTerms } from './asked'
import type { Grant } from './data'

const grant = (kind: Grant['kind'], name: string, value = 'verified', script = 'tea'): Grant => ({ script, kind, name, value, created_at: '', created_by: null })
const set = (name: string, more: Partial<SecretTerms> = {}): SecretTerms => ({ name, scripts: [], labels: [], ...more })
const short = (wishes: ReturnType<typeof wishesOf>) => wishes.map((wish) => `${wish.kind} ${wish.name} ${wish.state}`)

it('reads limits in their units', () => {
  expect(amount('memory', '900MiB')).toBe(900 * 2 ** 20)
  expect(amount('memory', 1024)).toBe(1024)
  expect(amount('output', '2 MB')).toBe(2e6)
  expect(amount('timeout', '30m')).toBe(1_800_000)
  expect(amount('timeout', 1.5)).toBe(1500)
  expect(amount('fuel', '2e9')).toBe(2e9)
  expect([amount('memory', 'much'), amount('fuel', '3s'), amount('timeout', '1 parsec')]).toEqual([undefined, undefined, undefined])
})

it('knows which hosts a pattern covers', () => {
  expect(covers('api.example.com', 'API.example.com')).toBe(true)
  expect(covers('api.example.com', 'api.example.com:443')).toBe(true)
  expect(covers('api.example.com:443', 'api.example.com')).toBe(false)
  expect(covers('*.example.org', 'a.b.example.org:80')).toBe(true)
  expect(covers('*.example.org', '*.b.example.org')).toBe(true)
  expect(covers('*.example.org', 'example.org')).toBe(false)
  expect(covers('*.example.org', 'badexample.org')).toBe(false)
  expect(covers('[fd00::1]:6379', '[fd00::1]:6379')).toBe(true)
  expect(covers('[fd00::1]:6379', '[fd00::1]:80')).toBe(false)
})

describe('what a script asks for', () => {
  it('is granted, missing, or not there', () => {
    const settings = { allow: ['api.example.com', 'b.example.org:5432'], secrets: ['KEY', 'OTHER', 'LABEL', 'FOREIGN', 'NONE'], labels: { team: 'data' }, limits: { memory: '900MiB', timeout: '30s', fuel: 3e11 } }
    const grants = [grant('host', '*.example.com'), grant('secret', 'KEY', 'granted'), grant('limit', 'memory', String(512 * 2 ** 20))]
    expect(short(wishesOf({ name: 'tea', settings }, grants, [set('KEY'), set('OTHER', { scripts: ['tea'] }), set('LABEL', { labels: ['team=data'] }), set('FOREIGN', { scripts: ['x'], labels: ['team=x'] })]))).toEqual([
      'host api.example.com granted', 'host b.example.org:5432 missing', 'secret KEY granted', 'secret OTHER missing', 'secret LABEL missing',
      'secret FOREIGN elsewhere', 'secret NONE unset',
      'limit memory less', 'limit fuel missing',
    ])
  })

  it('can be less than it has', () => {
    expect(short(wishesOf({ name: 'tea', settings: {} }, [grant('host', 'x.org'), grant('secret', 'KEY'), grant('limit', 'memory', '1')], []))).toEqual([
      'host x.org unasked', 'secret KEY granted', 'limit memory unasked',
    ])
    expect(short(wishesOf({ name: 'tea', settings: { secrets: ['A'] } }, [grant('secret', 'A'), grant('secret', 'B')], [set('A'), set('B')]))).toEqual(['secret A granted', 'secret B unasked'])
  })

  it('is nothing for odd settings', () => {
    expect(wishesOf({ name: 'tea', settings: { allow: 'x', secrets: null, limits: 5, labels: 'no' } }, [], [])).toEqual([])
  })
})

it('lists scripts that wait first, and those that are not there yet', () => {
  const all = allWishes(
    [{ name: 'a', settings: {} }, { name: 'c', settings: { allow: ['x.org'] } }, { name: 'b', settings: { allow: ['y.org'] } }],
    [grant('host', 'y.org', 'verified', 'b'), grant('secret', 'KEY', 'granted', 'later')],
    [set('KEY')],
  )
  expect(all.map((each) => [each.script, each.isThere])).toEqual([['c', true], ['b', true], ['later', false]])
})
