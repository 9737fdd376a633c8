import { describe, expect, test } from 'vitest'
import { createI18n } from 'vue-i18n'
import en from '../../i18n/en'
import zh from '../../i18n/zh'
import { optionWords, readingOf, type Words } from './reading'
import { readJson } from './json'
import { readText } from './text'

const words = (locale: 'en' | 'zh'): Words => {
  const i18n = createI18n({ legacy: false, locale, messages: { en, zh } })
  return { t: i18n.global.t as Words['t'], locale: locale === 'zh' ? 'zh-CN' : 'en' }
}
const [english, chinese] = [words('en'), words('zh')]

function read(text: string, language: Words): string | undefined {
  const trigger = readText(text)
  return trigger && readingOf(trigger, language)
}

describe('a trigger in plain words', () => {
  test.each([
    ['* * * * *', 'Every minute', '每分钟'],
    ['*/15 * * * *', 'Every 15 minutes', '每 15 分钟'],
    ['*/15 9-17 * * 1-5', 'Every 15 minutes, 09:00–17:59, Monday to Friday', '周一至周五，09:00–17:59，每 15 分钟'],
    ['0 * * * *', 'Every hour', '每小时'],
    ['20 * * * *', 'Every hour at minute 20', '每小时的第 20 分钟'],
    ['0 */6 * * *', 'Every 6 hours', '每 6 小时'],
    ['30 9-17 * * *', 'Every hour at minute 30, 09:30–17:30', '09:30–17:30，每小时的第 30 分钟'],
    ['0 9 * * *', 'Every day at 09:00', '每天 09:00'],
    ['0 9,12 * * *', 'Every day at 09:00 and 12:00', '每天 09:00 和 12:00'],
    ['0 9 * * 1-5', 'Monday to Friday at 09:00', '周一至周五 09:00'],
    ['0 9 * * 0,6', 'Saturday and Sunday at 09:00', '周六和周日 09:00'],
    ['0 9 1,15 * *', 'Day 1 and 15 of the month at 09:00', '每月 1 和 15 日 09:00'],
    ['0 0 L * *', 'The last day of the month at 00:00', '每月最后一天 00:00'],
    ['0 0 * * FRI#2', 'The second Friday of the month at 00:00', '每月第二个周五 00:00'],
    ['0 0 * * 5L', 'The last Friday of the month at 00:00', '每月最后一个周五 00:00'],
    ['0 9 1 * 1', 'Day 1 of the month or Monday at 09:00', '每月 1 日或周一 09:00'],
    ['0 9 1 1,7 *', 'Day 1 of the month in January and July at 09:00', '一月和七月，每月 1 日 09:00'],
    ['0 9 * 6-8 *', 'Every day in June to August at 09:00', '六月至八月，每天 09:00'],
    ['every 2m', 'Every 2 minutes', '每 2 分钟'],
    ['every 1h30m', 'Every 1 hour, 30 minutes', '每 1 小时 30 分钟'],
    ['every 1 month at 09:00', 'Every month at 09:00', '每月 09:00'],
    ['every 2 weeks at 09:00', 'Every 2 weeks at 09:00', '每 2 周 09:00'],
    ['at 2026-12-24T18:00', 'Once, 2026-12-24 18:00', '一次，2026-12-24 18:00'],
    ['after load', 'After load succeeds', 'load 成功之后'],
    ['after * on missed', 'After any other script misses a fire time', '任意其他脚本错过触发时间之后'],
    ['after label team=data on any', 'After a script with the label team=data ends', '带标签 team=data 的脚本结束之后'],
    ['fields: hour=9 minute=*/5', 'Every 5 minutes, 09:00–09:59', '09:00–09:59，每 5 分钟'],
    ['fields: hour=9 day_of_week=mon-fri', 'Monday to Friday at 09:00', '周一至周五 09:00'],
    ['fields: second=*/10', 'Every 10 seconds', '每 10 秒'],
  ])('%s', (text, inEnglish, inChinese) => {
    expect(read(text, english)).toBe(inEnglish)
    expect(read(text, chinese)).toBe(inChinese)
  })

  test.each(['0 9 * * 8', '0 9 * *', '1-5/2 * * * *', 'fields: second=5 day=1 day_of_week=mon', 'fields: week=2'])('%s has none', (text) => {
    expect(read(text, english)).toBeUndefined()
  })

  test('several together', () => {
    const trigger = readJson({ type: 'or', triggers: [{ type: 'cron', crontab: '0 9 1 * *' }, { type: 'cron', crontab: '0 18 15 * *' }] })
    expect(trigger && readingOf(trigger, english)).toBe('Day 1 of the month at 09:00 or day 15 of the month at 18:00')
  })

  test('options', () => {
    const trigger = readText('0 9 * * * from 2026-12-01 max 1 jitter 90s except 2026-12-24..2026-12-26 dst skip')
    expect(trigger && optionWords(trigger, english)).toEqual([
      'from 2026-12-01', 'one run', 'except 2026-12-24 – 2026-12-26', 'up to 1 minute, 30 seconds later, at random',
      'leaves out local times that do not exist',
    ])
  })
})
