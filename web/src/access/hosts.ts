/** Patterns of hosts, read by the rules of the server (`runtime/src/policy/pattern.rs`). */

interface Pattern {
  /** As it is compared; of `*.example.org` what is below: `.example.org`. */
  name: string
  isWild: boolean
  ports: readonly string[]
}

/** Without a port: those of HTTP and HTTPS. */
const WEB = ['80', '443']

/** A name in small letters, without its last point, and as DNS has it: `bücher.example` is `xn--bcher-kva.example`. */
function plainName(text: string): string {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (/^[\u0000-\u007f]*$/.test(name)) return name
  try {
    return new URL(`http://${name}`).hostname
  } catch {
    // No host at all: it is the same only as itself.
    return name
  }
}

/** `*.example.org:443`, `[fd00::1]:6379`. The colons of an address in brackets begin no port. */
function patternOf(text: string): Pattern {
  const found = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text)
  const [name = text, port] = found?.slice(1) ?? []
  const isWild = name.startsWith('*.')
  const plain = name.startsWith('[') ? name.toLowerCase() : plainName(isWild ? name.slice(2) : name)
  return { name: isWild ? `.${plain}` : plain, isWild, ports: port === undefined ? WEB : [port] }
}

/** Whether a pattern has all hosts of another one, whatever the ports. */
function holds(wide: Pattern, narrow: Pattern): boolean {
  if (!wide.isWild) return !narrow.isWild && wide.name === narrow.name
  return narrow.name.endsWith(wide.name) && (narrow.isWild || narrow.name.length > wide.name.length)
}

/** Whether these patterns together reach all that another one names. */
export function covers(granted: readonly string[], asked: string): boolean {
  const wanted = patternOf(asked)
  const given = granted.map(patternOf).filter((pattern) => holds(pattern, wanted))
  return wanted.ports.every((port) => given.some((pattern) => pattern.ports.includes(port)))
}

/** Whether two patterns have a host and a port in common: what is granted and asked for is in force so far. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [patternOf(one), patternOf(other)]
  return (holds(a, b) || holds(b, a)) && a.ports.some((port) => b.ports.includes(port))
}
