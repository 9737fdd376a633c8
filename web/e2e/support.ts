/** What the journeys share: a real server, a real browser, and what no page may do. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Waits no longer for anything, in milliseconds: these machines are shared. */
export const PATIENCE = 60_000

function setting(name: string): string {
  const value = process.env[name]
  assert(value, `${name} is not set: \`make test\` sets it`)
  return value
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  assert(address && typeof address === 'object')
  return address.port
}

/** The real program on a data folder of its own. */
export class Server {
  readonly url: string
  private readonly port: number
  private readonly folder: string
  private readonly words: string[]
  private process: ChildProcess | undefined

  private constructor(port: number, folder: string, words: string[]) {
    this.port = port
    this.folder = folder
    this.words = words
    this.url = `http://127.0.0.1:${port}`
  }

  /** The process of the program. */
  get pid(): number | undefined {
    return this.process?.pid
  }

  /** The file of its database. */
  get database(): string {
    return path.join(this.folder, 'data', 'cronbox.db')
  }

  static async start(...words: string[]): Promise<Server> {
    const server = new Server(await freePort(), await mkdtemp(path.join(tmpdir(), 'cronbox-page-')), words)
    await server.begin()
    return server
  }

  /** Starts the program, again after {@link kill}. */
  async begin(): Promise<void> {
    const words = ['serve', '--data-dir', path.join(this.folder, 'data'), '--listen', `127.0.0.1:${this.port}`, '--log', 'error', ...this.words]
    const child = spawn(setting('CRONBOX_PROGRAM'), words, { cwd: this.folder, stdio: ['ignore', 'pipe', 'inherit'] })
    this.process = child
    const lines = createInterface({ input: child.stdout })
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
      // Its first line says where it listens.
      lines.once('line', () => resolve())
    })
    lines.on('line', () => undefined)
    await until('the server is ready', async () => (await fetch(`${this.url}/readyz`)).ok)
  }

  /** Ends the program as a crash would. */
  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM')
    await rm(this.folder, { recursive: true, force: true })
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process
    this.process = undefined
    if (!child || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** What the command line prints. */
  async cli(...words: string[]): Promise<string> {
    const env = { ...process.env, CRONBOX_URL: this.url }
    const child = spawn(setting('CRONBOX_PROGRAM'), words, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
    const [code] = await once(child, 'exit')
    assert.equal(code, 0, `cronbox ${words.join(' ')} ended with ${code}`)
    return text
  }

  /** Asks the API; anything but success is a failure of the test. */
  async api<T>(method: string, address: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const isText = typeof body === 'string'
    const answer = await fetch(`${this.url}${address}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': isText ? 'text/x-python' : 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert(answer.ok, `${method} ${address}: ${answer.status} ${text}`)
    return (text ? JSON.parse(text) : undefined) as T
  }

  async script(name: string, source: string): Promise<void> {
    await this.api('PUT', `/v1/scripts/${encodeURIComponent(name)}`, source)
  }

  /** Runs a script to its end. */
  async run(name: string, request: unknown = {}): Promise<{ id: string; status: string }> {
    return await this.api('POST', `/v1/scripts/${encodeURIComponent(name)}/runs?wait=30s`, request)
  }
}

/** Waits for a condition, and not for a time. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE
  for (;;) {
    if (await holds().catch(() => false)) return
    assert(Date.now() < deadline, `${what}: not within ${PATIENCE} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

let browser: Promise<Browser> | undefined

/** The browser, one for all tests of a file. */
export function theBrowser(): Promise<Browser> {
  browser ??= chromium.launch({ executablePath: process.env['CRONBOX_BROWSER'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
  return browser
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close()
}

/**
 * With CRONBOX_PAGE, the files of the page come from that folder (`web/dist/page`), under the headers of the program's own, so that
 * a change of the page is tried without building the program. `make test` does not set it.
 */
async function fromFolder(context: BrowserContext): Promise<void> {
  const folder = process.env['CRONBOX_PAGE']
  if (!folder) return
  await context.route(/\/assets\//, (route) => route.fulfill({ path: path.join(folder, 'assets', path.basename(new URL(route.request().url()).pathname)) }))
  await context.route(
    (address) => !/^\/(v1|docs|assets|readyz|healthz|openapi\.json|icon\.svg)/.test(address.pathname),
    async (route) => {
      const answer = await route.fetch()
      await route.fulfill({ response: answer, body: await readFile(path.join(folder, 'index.html'), 'utf8') })
    },
  )
}

/** What a tab did that no page may do: errors on the console, exceptions, refusals of the policy, requests to elsewhere. */
export class Tab {
  readonly page: Page
  readonly server: Server
  private readonly faults: string[] = []
  private allowed: RegExp[] = []

  private constructor(page: Page, server: Server) {
    this.page = page
    this.server = server
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.faults.push(`console: ${message.text()}`)
    })
    page.on('pageerror', (error) => this.faults.push(`exception: ${error.stack ?? error.message}`))
    page.on('request', (request) => {
      const isOwn = request.url().startsWith(server.url) || /^(blob|data):/.test(request.url())
      if (!isOwn) this.faults.push(`a request to ${request.url()}`)
    })
  }

  static async open(server: Server, address = '/', options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await (await theBrowser()).newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', timezoneId: 'Asia/Shanghai', ...options })
    await fromFolder(context)
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE)
    const tab = new Tab(page, server)
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))
    })
    await tab.go(address)
    return tab
  }

  async go(address: string): Promise<void> {
    await this.page.goto(`${this.server.url}${address}`)
    await this.page.getByRole('heading', { level: 1 }).first().waitFor()
  }

  /** Faults that a test brings about, such as requests to a server that was killed. */
  allow(...patterns: RegExp[]): void {
    this.allowed.push(...patterns)
  }

  /** No violation of any level, in what is shown now. */
  async checkAccessibility(): Promise<void> {
    const source = await readFile(path.join(import.meta.dirname, '../node_modules/axe-core/axe.min.js'), 'utf8')
    // Not as a script element: the policy forbids those.
    await this.page.evaluate(source)
    const found = await this.page.evaluate(async () => {
      const axe = (window as unknown as { axe: { run(): Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe
      return (await axe.run()).violations.map((each) => `${each.id}: ${each.help}\n  ${each.nodes.map((node) => `${node.html}\n  ${node.failureSummary}`).join('\n  ')}`)
    })
    assert.deepEqual(found, [], `${this.page.url()}\n${found.join('\n')}`)
  }

  /** Nothing is wider than the page. Charts follow the size of the window a moment later. */
  async checkWidth(): Promise<void> {
    await until(`${this.page.url()} is as wide as its window`, () =>
      this.page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth),
    )
  }

  /** Accessible and not wider than the window, at each of these widths. */
  async checkLooks(...widths: number[]): Promise<void> {
    for (const width of widths.length > 0 ? widths : [400, 1280]) {
      await this.page.setViewportSize({ width, height: 900 })
      await this.checkWidth()
      await this.checkAccessibility()
    }
  }

  async logIn(token: string): Promise<void> {
    await this.page.getByLabel('Token').fill(token)
    await this.page.getByRole('button', { name: 'Log in' }).click()
  }

  async close(): Promise<void> {
    await this.page.context().close()
    const faults = this.faults.filter((fault) => !this.allowed.some((pattern) => pattern.test(fault)))
    assert.deepEqual(faults, [], `${this.page.url()}\n${faults.join('\n')}`)
  }
}
