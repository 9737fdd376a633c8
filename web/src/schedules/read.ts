/** A schedule as the API tells it, with the numbers of its arguments as they were written. */
import type { Schedule } from '../api/client'
import { members, Written } from '../ui/args/json'

export function readSchedule(text: string): Schedule {
  const args = members(text).get('args')
  return { ...(JSON.parse(text) as Schedule), args: args === undefined ? null : new Written(args) }
}
