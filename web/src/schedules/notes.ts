/** What a change of the clocks does to a fire time, in the language of the page. */
import { t } from '../i18n'
import { noteParts } from './noteParts'
import { readSpan } from './trigger/model'
import { spanWords } from './trigger/reading'
import { words } from './words'

/** A note that is not known here is shown as the server wrote it. */
export function noteWords(note: string): string {
  const parts = noteParts(note)
  switch (parts?.kind) {
    case 'gap':
      return parts.day ? t('schedules.clock.gapOn', { time: parts.time, day: parts.day }) : t('schedules.clock.gap', { time: parts.time })
    case 'first':
    case 'second':
      return t(`schedules.clock.${parts.kind}`)
    case 'forward':
    case 'back':
      return t(`schedules.clock.${parts.kind}`, { by: spanWords(readSpan(parts.by) ?? 0, words.value) })
    default:
      return note
  }
}
