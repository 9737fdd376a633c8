import { nextTick, ref } from 'vue'
import { expect, test } from 'vitest'
import { coreOf } from './presets'
import { useTrigger } from './useTrigger'

test('all views change one text', () => {
  const text = ref('0 9 * * * @ Europe/Berlin')
  const { core, options, setCore, setOption } = useTrigger(text)
  setCore(coreOf({ kind: 'weekly', days: [1, 3], time: '08:30' }))
  expect(text.value).toBe('30 8 * * 1,3 @ Europe/Berlin')
  setOption('zone', 'Asia/Tokyo')
  setOption('max', 5)
  expect(text.value).toBe('30 8 * * 1,3 @ Asia/Tokyo max 5')
  setOption('max', undefined)
  expect(text.value).toBe('30 8 * * 1,3 @ Asia/Tokyo')
  expect(core.value).toEqual({ type: 'cron', crontab: '30 8 * * 1,3' })
  expect(options.value).toEqual({ zone: 'Asia/Tokyo' })
})

test('a text from elsewhere is read', async () => {
  const text = ref('0 9 * * *')
  const { core } = useTrigger(text)
  text.value = 'every 5m'
  await nextTick()
  expect(core.value).toEqual({ type: 'interval', seconds: 300 })
  text.value = '0 9 * * * or every 5m'
  await nextTick()
  expect(core.value).toBeUndefined()
})

test('what is not finished stays in the view that typed it', async () => {
  const text = ref('0 9 * * *')
  const { trigger, options, setOption } = useTrigger(text)
  setOption('jitter', '3x')
  await nextTick()
  // The server says what is wrong with it.
  expect(text.value).toBe('0 9 * * * jitter 3x')
  expect(trigger.value).toBeDefined()
  expect(options.value.jitter).toBe('3x')
})

test('a text that cannot be shown can be replaced', () => {
  const text = ref('(0 9 1 * * or every 5m)')
  const { setCore } = useTrigger(text)
  setCore(coreOf({ kind: 'daily', time: '09:00' }))
  expect(text.value).toBe('0 9 * * *')
})
