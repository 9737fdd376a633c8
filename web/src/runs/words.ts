/** Words for what the API says in words for programs. */
import en from '../i18n/en/runs'

type Translate = (key: string) => string

/** Why a run has its status, as a sentence; a reason that is not known here is shown as it is. */
export function reasonWords(reason: string, t: Translate): string {
  return Object.hasOwn(en.reason, reason) ? t(`runs.reason.${reason}`) : reason
}
