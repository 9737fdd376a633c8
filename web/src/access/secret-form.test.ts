import { expect, it } from 'vitest'
import { draftOfSecret, emptySecret, secretBody } from './secret-form'

const SECRET = {
  name: 'KEY', hosts: ['a.org'], scripts: ['tea'], labels: ['team=data'], granted: ['tea'], in: ['headers' as const, 'query' as const], in_clear: false,
  key: 'k', readable: true, created_at: '', updated_at: '', created_by: null, methods: ['GET'], path_prefix: '/v2',
}

it('is set again with the same terms', () => {
  expect(secretBody({ ...draftOfSecret(SECRET), value: 'open-sesame' })).toEqual({
    value: 'open-sesame', hosts: ['a.org'], scripts: ['tea'], labels: ['team=data'], in: ['query'], methods: ['GET'], path_prefix: '/v2',
  })
})

it('says nothing of places where the script gets the value itself', () => {
  const draft = { ...emptySecret(), value: 'open-sesame', hosts: ['a.org'], inQuery: true, methods: ['get'], path: '/x', inClear: true }
  expect(secretBody(draft)).toEqual({ value: 'open-sesame', hosts: ['a.org'], scripts: [], labels: [], in_clear: true })
})
