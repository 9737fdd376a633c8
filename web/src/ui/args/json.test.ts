import { describe, expect, it } from 'vitest'
import { argsText, BadJson, bodyWith, check, isJson, isSame, items, kindOf, members, object, pretty, Written } from './json'

const badAt = (text: string): number => {
  try {
    check(text)
  } catch (error) {
    if (error instanceof BadJson) return error.at
    throw error
  }
  return -1
}

describe('JSON as it was written', () => {
  it.each(['{}', '[]', ' [1, 2.5e+3, -0] ', '"a\\u00e9\\n"', 'null', 'true', '{"a": {"b": []}, "c": ""}', '-1.0', '1E400'])('takes %s', (text) => {
    expect(isJson(text)).toBe(true)
  })

  it.each([
    ['', 0], ['{', 1], ['{"a": 1,}', 8], ['[1 2]', 3], ["{'a': 1}", 1], ['01', 1], ['[NaN]', 1], ['{"a" 1}', 5], ['"a\nb"', 0], ['1 x', 2], ['[1,]', 3], ['+1', 0], ['.5', 0],
  ])('refuses %j at %i', (text, at) => {
    expect(badAt(text)).toBe(at)
    expect(() => JSON.parse(text) as unknown).toThrow()
  })

  it('refuses what is nested without end, without failing', () => {
    expect(isJson('['.repeat(100_000))).toBe(false)
    expect(isJson(`${'['.repeat(400)}${']'.repeat(400)}`)).toBe(true)
  })

  it('reads long texts quickly', () => {
    const text = `[${Array.from({ length: 50_000 }, (_, at) => `{"n": ${at}}`).join(',')}]`
    const began = performance.now()
    expect(items(text)).toHaveLength(50_000)
    expect(performance.now() - began).toBeLessThan(30_000)
  })

  it('keeps numbers', () => {
    expect([...members('{"a": 123456789012345678901234567890, "b": 1.10, "a\\u0062": {"c": 1}}')]).toEqual([
      ['a', '123456789012345678901234567890'], ['b', '1.10'], ['ab', '{"c": 1}'],
    ])
    expect(items(' [ 1.0 , "x,]" , [2] ] ')).toEqual(['1.0', '"x,]"', '[2]'])
    expect(pretty('{"a":[1.0,{}],"b":{"c":12345678901234567890}}')).toBe('{\n  "a": [\n    1.0,\n    {}\n  ],\n  "b": {\n    "c": 12345678901234567890\n  }\n}')
  })

  it('takes the last of two members', () => {
    expect([...members('{"a": 1, "a": 2}')]).toEqual([['a', '2']])
  })

  it('writes objects', () => {
    expect(object([])).toBe('{}')
    expect(object([['a"b', '1']])).toBe('{"a\\"b": 1}')
    expect(object([['a', '1'], ['b', '[]']], true)).toBe('{\n  "a": 1,\n  "b": []\n}')
  })

  it('names kinds', () => {
    expect(['{}', '[]', '"', '-1', 'true', 'null'].map(kindOf)).toEqual(['object', 'array', 'string', 'number', 'boolean', 'null'])
  })

  it('compares values, not texts', () => {
    expect(isSame('{"a":1,"b":[2]}', '{ "b": [ 2 ], "a": 1 }')).toBe(true)
    expect(isSame('"\\u0041"', '"A"')).toBe(true)
    expect(isSame('{"a":1}', '{"b":1}')).toBe(false)
    expect(isSame('[1]', '[1,2]')).toBe(false)
    expect(isSame('12345678901234567890', '12345678901234567891')).toBe(false)
    expect(isSame('1', '"1"')).toBe(false)
  })
})

describe('arguments in a request', () => {
  it('are as they were typed', () => {
    expect(bodyWith(' {"n": 12345678901234567890} ', {})).toBe('{"args":{"n": 12345678901234567890}}')
    expect(bodyWith('[1.0]', { entry: 'main', version: undefined })).toBe('{"args":[1.0],"entry":"main"}')
    expect(bodyWith('', { entry: 'main' })).toBe('{"entry":"main"}')
    expect(bodyWith(' ', {})).toBe('{}')
  })

  it('are written for an editor as they are', () => {
    expect(argsText(new Written('{"n":12345678901234567890}'))).toBe('{\n  "n": 12345678901234567890\n}')
    expect(argsText({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}')
    expect([null, undefined, {}, [], new Written(' { } ')].map(argsText)).toEqual(['', '', '', '', ''])
  })
})
