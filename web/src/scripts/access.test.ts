import { describe, expect, it } from 'vitest'
import type { Run, Schemas, Script } from '../api/client'
import { askedOf, covers, grantOf } from './access'
import { limitOf } from './quantity'

describe('limits as they are written', () => {
  it.each([
    ['memory', '256MiB', 268_435_456], ['memory', 1024, 1024], ['memory', '1 GiB', 1_073_741_824], ['timeout', '30s', 30_000], ['timeout', 2.5, 2500], ['timeout', '15m', 900_000],
    ['fuel', '2e9', 2e9], ['fuel', '400G', 4e11], ['output', '1_000', 1000], ['timeout', 'soon', undefined], ['memory', '3 apples', undefined],
  ] as const)('%s %s', (name, written, number) => {
    expect(limitOf(name, written)).toBe(number)
  })
})

describe('hosts', () => {
  it.each<[string[], string, boolean]>([
    [['a.example.com'], 'A.example.com', true],
    [['a.example.com'], 'b.example.com', false],
    [['*.example.com'], 'a.b.example.com', true],
    [['*.example.com'], 'example.com', false],
    [['*.example.com'], '*.a.example.com', true],
    [['*.a.example.com'], '*.example.com', false],
    [['a.example.com'], 'a.example.com:443', true],
    [['a.example.com:443'], 'a.example.com', false],
    [['a.example.com:443', 'a.example.com:80'], 'a.example.com', true],
    [['a.example.com'], 'a.example.com:8443', false],
    [['[fd00::1]:6379'], '[fd00::1]:6379', true],
    [[], 'a.example.com', false],
  ])('%j reach %s: %s', (granted, host, yes) => {
    expect(covers(granted, host)).toBe(yes)
  })
})

const script = (settings: object): Script => ({ name: 'price', version: 2, settings }) as unknown as Script
const grant = (kind: string, name: string, value = '', of = 'price'): Schemas['Grant'] => ({ script: of, kind, name, value }) as Schemas['Grant']
const secret = (name: string, more: Partial<Schemas['Secret']> = {}): Schemas['Secret'] => ({ name, scripts: [], labels: [], granted: [], ...more }) as unknown as Schemas['Secret']
const states = (...args: Parameters<typeof askedOf>) => askedOf(...args).map(({ name, state }) => `${name} ${state}`)

describe('what a script asks for', () => {
  it('is told with whether it was granted', () => {
    expect(states(script({ allow: ['a.example.com', 'b.example.com'] }), [grant('host', 'a.example.com'), grant('host', 'b.example.com', '', 'other')], [])).toEqual([
      'a.example.com granted', 'b.example.com missing',
    ])
  })

  it('is of limits only what is above the defaults', () => {
    const asked = script({ limits: { memory: '128MiB', timeout: '10m', fuel: 3e11 } })
    expect(states(asked, [], [])).toEqual(['timeout missing', 'fuel missing'])
    expect(states(asked, [grant('limit', 'timeout', '600000')], [])).toEqual(['timeout granted', 'fuel missing'])
  })

  it('believes a run of the same version', () => {
    const run = { version: 2, schedule: null, limits: { timeout: 600, memory: 1, fuel: 1, output: 1 } } as unknown as Run
    const asked = script({ limits: { timeout: '10m' } })
    expect(states(asked, [], [], run)).toEqual(['timeout granted'])
    expect(states(asked, [], [], { ...run, version: 1 })).toEqual(['timeout missing'])
    expect(states(asked, [], [], { ...run, schedule: 'nightly' })).toEqual(['timeout missing'])
  })

  it('tells apart secrets that are not there, not for it, and not granted', () => {
    const secrets = [secret('A', { scripts: ['price'], granted: ['price'] }), secret('B', { labels: ['team=data'] }), secret('C', { scripts: ['other'] })]
    expect(states(script({ secrets: ['A', 'B', 'C', 'D'], labels: { team: 'data' } }), [], secrets)).toEqual(['A granted', 'B missing', 'C elsewhere', 'D absent'])
    expect(states(script({}), [], secrets)).toEqual(['A granted'])
    expect(states(script({ secrets: [] }), [], secrets)).toEqual([])
  })

  it('is granted by name', () => {
    expect(grantOf({ kind: 'host', name: 'a', asked: '', state: 'missing' })).toEqual({ hosts: ['a'] })
    expect(grantOf({ kind: 'limit', name: 'memory', asked: '1GiB', state: 'missing' })).toEqual({ limits: { memory: '1GiB' } })
    expect(grantOf({ kind: 'secret', name: 'A', asked: '', state: 'missing' })).toEqual({ secrets: ['A'] })
  })
})
