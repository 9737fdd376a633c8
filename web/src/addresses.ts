/** Addresses of the page's parts. */

/**
 * A page of something that has a name. What makes a new one is at `/scripts/new`, in capitals too: what has that name is at
 * `/scripts/new/overview`.
 */
function page(room: string, name: string, part: string): string {
  const below = part === '' && name.toLowerCase() === 'new' ? 'overview' : part
  return `/${room}/${encodeURIComponent(name)}${below === '' ? '' : `/${below}`}`
}

export const scriptAddress = (name: string, part: '' | 'code' | 'runs' | 'versions' | 'settings' = ''): string => page('scripts', name, part)
export const scheduleAddress = (id: string, part: '' | 'edit' = ''): string => page('schedules', id, part)
export const alertAddress = (id: string, part: '' | 'edit' | 'mute' = ''): string => page('alerts', id, part)
export const chartAddress = (id: string): string => page('charts', id, '')
/** The charts with a label. */
export const dashboardAddress = (label: string) => ({ path: '/charts', query: { label } })
/** Ids of runs are made by the server: none is a word. */
export const runAddress = (id: string): string => `/runs/${encodeURIComponent(id)}`
