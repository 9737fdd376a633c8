/** Which settings the metadata block of a script has (PEP 723, the table `[tool.cronbox]`): those are changed in the code. */

/** The TOML text of the block. */
export function tomlOf(source: string): string | undefined {
  const found = /^# \/\/\/ script[ \t]*\r?\n((?:#(?: .*)?\r?\n)+?)# \/\/\/[ \t]*\r?$/m.exec(source)
  return found?.[1]?.replaceAll(/^# ?/gm, '')
}

/** Reads keys of TOML; values are only skipped. What it does not understand ends it: the server has checked the text. */
class Scanner {
  private at = 0
  private readonly text: string
  /** Dotted keys of all values. */
  readonly keys: string[][] = []

  constructor(text: string) {
    this.text = text
  }

  private skip(pattern: RegExp): string {
    const sticky = new RegExp(pattern.source, 'y')
    sticky.lastIndex = this.at
    const found = sticky.exec(this.text)?.[0] ?? ''
    this.at += found.length
    return found
  }

  private blank(): void {
    this.skip(/(?:\s|#[^\n]*)*/)
  }

  private string(): string | undefined {
    const found = this.skip(/"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'/)
    return found === '' ? undefined : found.replace(/^("""|'''|"|')([\s\S]*)\1$/, '$2')
  }

  private key(): string[] | undefined {
    const parts: string[] = []
    do {
      this.skip(/[ \t]*/)
      const part = this.string() ?? this.skip(/[A-Za-z0-9_-]+/)
      if (part === '') return undefined
      parts.push(part)
      this.skip(/[ \t]*/)
    } while (this.skip(/\./) !== '')
    return parts
  }

  /** Skips a value; the keys of an inline table are below `path`. */
  private value(path: string[]): boolean {
    this.blank()
    if (this.string() !== undefined) return true
    if (this.skip(/\[/) !== '') {
      for (;;) {
        this.blank()
        if (this.skip(/\]/) !== '') return true
        // Tables in a list have no settings' names.
        if (!this.value(['', ...path])) return false
        this.blank()
        this.skip(/,/)
      }
    }
    if (this.skip(/\{/) !== '') {
      for (;;) {
        this.blank()
        if (this.skip(/\}/) !== '') return true
        if (!this.pair(path)) return false
        this.blank()
        this.skip(/,/)
      }
    }
    return this.skip(/[^\s,\]}#]+/) !== ''
  }

  private pair(table: string[]): boolean {
    const key = this.key()
    if (!key || this.skip(/[ \t]*=/) === '') return false
    const path = [...table, ...key]
    this.keys.push(path)
    return this.value(path)
  }

  read(): void {
    let table: string[] = []
    for (;;) {
      this.blank()
      if (this.at >= this.text.length) return
      if (this.skip(/\[\[?/) !== '') {
        const key = this.key()
        if (!key || this.skip(/\]\]?/) === '') return
        table = key
        this.keys.push(table)
      } else if (!this.pair(table)) return
    }
  }
}

export interface Block {
  /** Names of settings: `limits`, and for each part of a table also `limits.memory`. */
  settings: Set<string>
}

export function blockOf(source: string): Block {
  const settings = new Set<string>()
  const toml = tomlOf(source)
  if (toml !== undefined) {
    const scanner = new Scanner(toml)
    scanner.read()
    for (const [tool, cronbox, ...rest] of scanner.keys) {
      if (tool !== 'tool' || cronbox !== 'cronbox') continue
      rest.forEach((_, at) => settings.add(rest.slice(0, at + 1).join('.')))
    }
  }
  return { settings }
}
