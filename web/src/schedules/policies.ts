/** The policies of a schedule in words. */
import type { Schedule } from '../api/client'
import { t } from '../i18n'
import { formatNumber } from '../i18n/format'
import { LIMITS, limitsOf, retriesOf } from './settings'
import { spanWords } from './trigger/reading'
import { words } from './words'

export const POLICIES = [
  'misfire_grace_time', 'coalesce', 'max_instances', 'overlap', 'catchup_limit', 'retries', 'pause_on_failure', 'priority', 'limits',
] as const
export type Policy = (typeof POLICIES)[number]

/** The value in force; where the schedule says nothing and the script may, that. */
export function policyWords(schedule: Schedule, policy: Policy): string {
  const settings = schedule.settings as Record<string, unknown>
  switch (policy) {
    case 'misfire_grace_time':
      return schedule.misfire_grace_time === null
        ? t('schedules.policy.misfire_grace_time.value')
        : t('schedules.policy.misfire_grace_time.upTo', { span: spanWords(Math.round(schedule.misfire_grace_time), words.value) })
    case 'coalesce':
      return t(`schedules.coalesce.${schedule.coalesce}`)
    case 'overlap':
      return t(`schedules.overlap.${schedule.overlap}`)
    case 'max_instances':
    case 'catchup_limit':
      return formatNumber(schedule[policy])
    case 'pause_on_failure':
      return t('schedules.policy.pause_on_failure.after', { n: schedule.pause_on_failure }, schedule.pause_on_failure)
    case 'retries': {
      const count = retriesOf(settings)
      return count === undefined ? t('schedules.policies.asScript') : t('schedules.policy.retries.times', { n: count }, count)
    }
    case 'priority':
      return typeof settings['priority'] === 'number' ? formatNumber(settings['priority']) : t('schedules.policies.asScript')
    case 'limits': {
      const limits = Object.entries(limitsOf(settings))
      if (limits.length === 0) return t('schedules.policies.asScript')
      return limits.map(([name, value]) => `${t(`schedules.policy.limits.${name as (typeof LIMITS)[number]}`)} ${value}`).join(' · ')
    }
  }
}

/** Whether the schedule says it itself. */
export const isOwn = (schedule: Schedule, policy: Policy): boolean => policy in schedule.settings
