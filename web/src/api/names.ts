/** Names of scripts and schedules. */

/**
 * By what the server finds a name: capital letters do not count. Grants and the terms of secrets name scripts like that. Letter by
 * letter, as the server does: a sigma at the end of a word has another small letter when the whole word is turned.
 */
export const keyOf = (name: string): string => [...name.normalize('NFC')].map((letter) => letter.toLowerCase()).join('').normalize('NFC')
