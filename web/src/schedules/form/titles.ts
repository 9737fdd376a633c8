/** What the fields of the form are called. */
import { t } from '../../i18n'
import type { Field } from './form'

export function fieldTitle(field: Field): string {
  switch (field) {
    case 'id':
    case 'script':
    case 'title':
    case 'labels':
      return t(`schedules.form.${field}`)
    case 'trigger':
      return t('schedules.form.when')
    case 'args':
      return t('schedules.start.args')
    case 'retryDelay':
      return t('schedules.form.delay')
    case 'retryBackoff':
      return t('schedules.form.growth')
    case 'retryMaxDelay':
      return t('schedules.form.maxDelay')
    case 'timeout':
    case 'memory':
    case 'fuel':
    case 'output':
      return t(`schedules.policy.limits.${field}`)
    default:
      return t(`schedules.policy.${field}.title`)
  }
}
