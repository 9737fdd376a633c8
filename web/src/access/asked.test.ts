import { describe, expect, it } from 'vitest'
import { allWishes, grantsOf, requestFor, wishesOf, type SecretTerms } from './asked'
import type { Grant } from './data'

const grant = (kind: Grant['kind'], name: string, value = 'verified', script = 'tea'): Grant => ({ script, kind, name, value, created_at: '', created_by: null })
const set = (name: string, more: Partial<SecretTerms> = {}): SecretTerms => ({ name, scripts: [], labels: [], ...more })
const short = (wishes: ReturnType<typeof wishesOf>) => wishes.map((wish) => `${wish.kind} ${wish.name} ${wish.state}`)

describe('what a script asks for', () => {
  it('is granted, missing, or not there', () => {
    const settings = { allow: ['api.example.com', 'b.example.org:5432'], secrets: ['KEY', 'OTHER', 'LABEL', 'FOREIGN', 'NONE'], labels: { team: 'data' }, limits: { memory: '900MiB', timeout: '30s', fuel: 3e11 } }
    const grants = [grant('host', '*.example.com'), grant('secret', 'KEY', 'granted'), grant('limit', 'memory', String(512 * 2 ** 20))]
    expect(short(wishesOf({ name: 'tea', settings }, grants, [set('KEY', { scripts: ['tea'] }), set('OTHER', { scripts: ['tea'] }), set('LABEL', { labels: ['team=data'] }), set('FOREIGN', { scripts: ['x'], labels: ['team=x'] })]))).toEqual([
      'host api.example.com granted', 'host b.example.org:5432 missing', 'secret KEY granted', 'secret OTHER missing', 'secret LABEL missing',
      'secret FOREIGN elsewhere', 'secret NONE unset',
      'limit memory less', 'limit fuel missing',
    ])
  })

  it('can be less than it has', () => {
    expect(short(wishesOf({ name: 'tea', settings: {} }, [grant('host', 'x.org'), grant('secret', 'KEY'), grant('limit', 'memory', '1')], []))).toEqual([
      'host x.org unasked', 'secret KEY granted', 'limit memory unasked',
    ])
    expect(short(wishesOf({ name: 'tea', settings: { secrets: ['A'] } }, [grant('secret', 'A'), grant('secret', 'B')], [set('A', { scripts: ['tea'] }), set('B', { scripts: ['tea'] })]))).toEqual(['secret A granted', 'secret B unasked'])
  })

  it('is of limits only what is above the defaults', () => {
    const settings = { limits: { memory: '128M', timeout: '10m', fuel: 3e11, output: '1M' } }
    expect(short(wishesOf({ name: 'tea', settings }, [], []))).toEqual(['limit timeout missing', 'limit fuel missing'])
    expect(short(wishesOf({ name: 'tea', settings }, [grant('limit', 'timeout', '600000')], []))).toEqual(['limit timeout granted', 'limit fuel missing'])
    // Twice the default, and not less than it.
    expect(short(wishesOf({ name: 'tea', settings: { limits: { memory: '512M' } } }, [grant('limit', 'memory', '512000000')], []))).toEqual(['limit memory less'])
    // What every script has needs no grant, and one that is smaller takes nothing away.
    expect(short(wishesOf({ name: 'tea', settings: { limits: { memory: '200M' } } }, [grant('limit', 'memory', '1000')], []))).toEqual(['limit memory granted'])
  })

  it('is granted by several patterns together', () => {
    const settings = { allow: ['a.org', '*.b.org', 'c.org'] }
    const grants = [grant('host', 'a.org:80'), grant('host', 'a.org:443'), grant('host', 'x.b.org'), grant('host', 'c.org'), grant('host', 'd.org')]
    expect(short(wishesOf({ name: 'tea', settings }, grants, []))).toEqual([
      'host a.org granted', 'host *.b.org missing', 'host c.org granted', 'host a.org:80 granted', 'host a.org:443 granted', 'host x.b.org granted', 'host d.org unasked',
    ])
  })

  it('has no secret that is set for other scripts, or that it does not name', () => {
    expect(short(wishesOf({ name: 'tea', settings: { secrets: ['A', 'B'] } }, [grant('secret', 'A'), grant('secret', 'B')], [set('A', { scripts: ['x'] })]))).toEqual(['secret A elsewhere', 'secret B unset'])
    expect(short(wishesOf({ name: 'tea', settings: { secrets: [] } }, [grant('secret', 'A')], [set('A', { scripts: ['tea'] })]))).toEqual(['secret A unasked'])
  })

  it('finds what was granted to a script whose name has capital letters', () => {
    const script = { name: 'Tea', settings: { allow: ['x.org'], secrets: ['A'] } }
    const grants = [grant('host', 'x.org'), grant('host', 'y.org', 'verified', 'other')]
    const secrets = [set('A', { scripts: ['tea'] })]
    expect(short(wishesOf(script, grantsOf(script.name, grants), secrets))).toEqual(['host x.org granted', 'secret A missing'])
    expect(allWishes([script], grants, secrets).map((each) => [each.script, each.isThere, each.wishes.length])).toEqual([['Tea', true, 2], ['other', false, 1]])
  })

  it('is asked of the server as the script wrote it', () => {
    const settings = { allow: ['a.org'], secrets: ['A'], limits: { memory: '1GiB', fuel: 3e11, timeout: 90 } }
    const wishes = wishesOf({ name: 'tea', settings }, [], [set('A', { scripts: ['tea'] })])
    expect(requestFor(wishes)).toEqual({ hosts: ['a.org'], secrets: ['A'], limits: { memory: '1GiB', fuel: '300000000000', timeout: '90' } })
    expect(requestFor(wishes.filter((wish) => wish.kind === 'host'))).toEqual({ hosts: ['a.org'] })
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
