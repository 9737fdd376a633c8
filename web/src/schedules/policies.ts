/** The policies of a schedule in words. */
import type { Schedule } from '../api/client'
import { t } from '../i18n'
import { formatNumber } from '../i18n/format'
import { spanWords } from './trigger/reading'
import { words } from './words'

export const COALESCE = ['latest', 'earliest', 'all'] as const
export const OVERLAP = ['skip', 'queue_one', 'queue_all', 'cancel_running', 'allow'] as const
export const LIMITS = ['timeout', 'memory', 'fuel', 'output'] as const
export const POLICIES = [
  'misfire_grace_time', 'coalesce', 'max_instances', 'overlap', 'catchup_limit', 'retries', 'pause_on_failure', 'priority', 'limits',
] as const
export type Policy = (typeof POLICIES)[number]

/** How often a run is tried again; nothing where the schedule does not say. */
export function retriesOf(settings: Record<string, unknown>): number | undefined {
  const { retries } = settings
  if (typeof retries === 'number') return retries
  if (typeof retries === 'object' && retries !== null && 'count' in retries && typeof retries.count === 'number') return retries.count
  return undefined
}

/** The limits that a schedule asks for, as they were written. */
export function limitsOf(settings: Record<string, unknown>): Partial<Record<(typeof LIMITS)[number], string>> {
  const { limits } = settings
  const found: Partial<Record<(typeof LIMITS)[number], string>> = {}
  if (typeof limits !== 'object' || limits === null) return found
  for (const name of LIMITS) {
    const value: unknown = Reflect.get(limits, name)
    if (typeof value === 'string' || typeof value === 'number') found[name] = String(value)
  }
  return found
}

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
