/** Errors as sentences for people. */
import { ApiError, Starting, Unreachable } from '../api/client'
import { t } from '../i18n'

export function sentence(error: unknown): string {
  if (error instanceof Unreachable && error.isAction) return t('common.notDone')
  if (error instanceof Starting) return t('common.starting')
  if (error instanceof Unreachable) return t('common.unreachable')
  if (error instanceof ApiError) return error.message
  return t('common.unknownError', { detail: error instanceof Error ? error.message : String(error) })
}

/** The sentence of an error that is about this field of the request (or one below it), else nothing. */
export function aboutField(error: unknown, field: string): string | undefined {
  if (!(error instanceof ApiError) || error.field === undefined) return undefined
  return error.field === field || error.field.startsWith(`${field}.`) ? error.message : undefined
}
