/**
 * What is kept by the browser, so that a reload loses nothing: in this tab, or for all pages of the program. A browser may keep
 * nothing, or may have no room left. That is no error: this page still has what it kept, until it is closed.
 */
export type Place = 'tab' | 'browser'

const here = new Map<string, string>()
const named = (place: Place, key: string): string => `${place} ${key}`
/** Reading the property is what some browsers refuse. */
const storage = (place: Place): Storage => (place === 'tab' ? globalThis.sessionStorage : globalThis.localStorage)

export function keptText(place: Place, key: string): string | undefined {
  const known = here.get(named(place, key))
  if (known !== undefined) return known
  try {
    return storage(place).getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

/**
 * Where there is no room, an older text stays: it is more than nothing after a reload. So it does where a text has more than `most`
 * characters: the browser keeps some megabytes for all pages together.
 */
export function keepText(place: Place, key: string, text: string, most = Infinity): void {
  here.set(named(place, key), text)
  try {
    if (text.length <= most) storage(place).setItem(key, text)
  } catch {
    // This page has it.
  }
}

export function dropKept(place: Place, key: string): void {
  here.delete(named(place, key))
  try {
    storage(place).removeItem(key)
  } catch {
    // Nothing is kept where nothing can be kept.
  }
}

/** A value that was kept; nothing: there is none, or it cannot be read. Who reads it looks whether it is what is wanted. */
export function kept(place: Place, key: string): unknown {
  try {
    return JSON.parse(keptText(place, key) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

export const keep = (place: Place, key: string, value: unknown, most?: number): void => keepText(place, key, JSON.stringify(value), most)
