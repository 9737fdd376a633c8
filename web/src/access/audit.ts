/** Entries of the audit log. */

/** The page that shows an object of the audit log, by its address in the API; none where there is none. */
export function pageOf(object: string): string | undefined {
  const [kind, name, ...rest] = object.split('/')
  if (kind === 'keys' || kind === 'secrets') return '/access/secrets'
  if (kind === 'tokens') return '/access/tokens'
  if (kind === 'grants') return `/access/grants?script=${encodeURIComponent(name ?? '')}`
  if (name === undefined || name === '' || rest.length > 1) return undefined
  return kind === 'scripts' || kind === 'schedules' || kind === 'runs' ? `/${kind}/${encodeURIComponent(name)}` : undefined
}
