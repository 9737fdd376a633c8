import { expect, it } from 'vitest'
import { emptyToken, isLimitEmpty, lifeOf, tokenBody } from './token-form'

it('is sent with its limits', () => {
  const draft = { ...emptyToken(), name: ' ci ', scopes: ['run' as const, 'read' as const], isLimited: true, scripts: ['team-*'], labels: [] }
  expect(tokenBody(draft)).toEqual({ name: 'ci', scopes: ['read', 'run'], scripts: ['team-*'], expires_in: '90d' })
})

it('has no limits when it is an admin, or when none are wanted', () => {
  const draft = { ...emptyToken(), name: 'a', scripts: ['x'], labels: ['a=b'], expires: 'never' as const }
  expect(tokenBody({ ...draft, scopes: ['admin'], isLimited: true })).toEqual({ name: 'a', scopes: ['admin'] })
  expect(tokenBody({ ...draft, scopes: ['read'], isLimited: false })).toEqual({ name: 'a', scopes: ['read'] })
})

it('is not made with a limit that names nothing', () => {
  expect(isLimitEmpty({ ...emptyToken(), isLimited: true })).toBe(true)
  expect(isLimitEmpty({ ...emptyToken(), isLimited: true, labels: ['a=b'] })).toBe(false)
  expect(isLimitEmpty({ ...emptyToken(), isLimited: true, scopes: ['admin'] })).toBe(false)
})

it('ends', () => {
  const now = Date.UTC(2026, 10, 27)
  expect(lifeOf({ expires_at: null }, now)).toBe('lasting')
  expect(lifeOf({ expires_at: '2027-01-01T00:00:00Z' }, now)).toBe('lasting')
  expect(lifeOf({ expires_at: '2026-11-30T00:00:00Z' }, now)).toBe('soon')
  expect(lifeOf({ expires_at: '2026-11-26T00:00:00Z' }, now)).toBe('expired')
})
