import { describe, expect, test } from 'vitest'
import { allZones, findZones, hoursBetween, instantOf, localText, offsetOf, offsetWords, readLocal, wallOf } from './zones'

const at = (text: string): number => Date.parse(text)
const iso = (instant: number): string => new Date(instant).toISOString().slice(0, 16)
const BERLIN = 'Europe/Berlin'

describe('local times', () => {
  test('offsets', () => {
    expect(offsetOf(at('2026-11-27T00:00Z'), BERLIN)).toBe(3_600_000)
    expect(offsetOf(at('2026-07-01T00:00Z'), BERLIN)).toBe(7_200_000)
    expect(offsetWords(at('2026-07-01T00:00Z'), BERLIN)).toBe('UTC+02:00')
    expect(offsetWords(at('2026-07-01T00:00Z'), 'America/St_Johns')).toBe('UTC−02:30')
    expect(offsetWords(at('2026-07-01T00:00Z'), 'Asia/Kathmandu')).toBe('UTC+05:45')
    expect(offsetWords(0, 'UTC')).toBe('UTC')
  })

  test('midnight is 00, not 24', () => {
    expect(localText(at('2026-11-26T16:00Z'), 'Asia/Shanghai')).toBe('2026-11-27T00:00')
  })

  test('a time and back', () => {
    for (const text of ['2026-11-27T09:00', '2026-02-28T23:59', '2028-02-29T12:30']) {
      for (const zone of ['UTC', BERLIN, 'Asia/Shanghai', 'America/New_York', 'Australia/Lord_Howe']) {
        const instant = readLocal(text, zone)
        expect(instant !== undefined && localText(instant, zone)).toBe(text)
      }
    }
    expect(readLocal('2026-11-', BERLIN)).toBeUndefined()
  })

  test('a time that does not exist is the first one that does', () => {
    expect(readLocal('2027-03-28T02:30', BERLIN)).toBe(at('2027-03-28T01:00Z'))
    expect(readLocal('2027-03-14T02:59', 'America/New_York')).toBe(at('2027-03-14T07:00Z'))
    // Half an hour is left out.
    expect(readLocal('2026-10-04T02:15', 'Australia/Lord_Howe')).toBe(at('2026-10-03T15:30Z'))
  })

  test('a time that comes twice is the first of both', () => {
    expect(readLocal('2026-10-25T02:30', BERLIN)).toBe(at('2026-10-25T00:30Z'))
    expect(readLocal('2026-11-01T01:30', 'America/New_York')).toBe(at('2026-11-01T05:30Z'))
  })

  test('a day that begins late', () => {
    // Clocks went from 00:00 to 01:00 there.
    expect(iso(instantOf(at('2019-03-31T00:00Z'), 'Asia/Beirut'))).toBe('2019-03-30T22:00')
    expect(wallOf(at('2019-03-30T22:00Z'), 'Asia/Beirut')).toBe(at('2019-03-31T01:00Z'))
  })
})

describe('ticks', () => {
  test('midnights of a zone', () => {
    const days = hoursBetween(at('2026-10-24T12:00Z'), at('2026-10-27T12:00Z'), BERLIN, 24).map(iso)
    expect(days).toEqual(['2026-10-24T22:00', '2026-10-25T23:00', '2026-10-26T23:00'])
  })
  test('hours of a day with 23', () => {
    const hours = hoursBetween(at('2027-03-27T23:00Z'), at('2027-03-28T05:00Z'), BERLIN, 1).map(iso)
    expect(hours).toEqual(['2027-03-27T23:00', '2027-03-28T00:00', '2027-03-28T01:00', '2027-03-28T02:00', '2027-03-28T03:00', '2027-03-28T04:00', '2027-03-28T05:00'])
  })
})

describe('the search for zones', () => {
  test('takes words in any order, and what begins with the first one comes first', () => {
    const zones = allZones()
    expect(findZones(zones, 'new york')[0]).toBe('America/New_York')
    expect(findZones(zones, 'york america')[0]).toBe('America/New_York')
    expect(findZones(zones, 'ber')[0]).toMatch(/\/Ber/)
    expect(findZones(zones, 'nowhere')).toEqual([])
    expect(zones).toContain('UTC')
  })
})
