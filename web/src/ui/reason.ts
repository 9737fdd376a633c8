/** Why a run has its status, in words. */
import { t } from '../i18n'
import en from '../i18n/en/common'

/** A reason that is not known here is a sentence already. */
export const reasonWords = (reason: string): string => (Object.hasOwn(en.reason, reason) ? t(`common.reason.${reason as keyof typeof en.reason}`) : reason)
