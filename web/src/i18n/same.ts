/** The same keys as another set of messages, all of them. */
export type Same<T> = { [K in keyof T]: T[K] extends string ? string : Same<T[K]> }
