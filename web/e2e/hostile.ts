/** What scripts print, return and leave is shown as text, quickly, and never as markup. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab } from './support.ts'

const MARKUP = '</script><img src=x onerror="window.caught=1"><svg onload="window.caught=1"><b>bold</b>'

const SOURCES: Record<string, string> = {
  printed: `
print("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\x1b[2J\\x1b[9999;9999Hplain")
print("""${MARKUP}""")
print("right\\u202eot tfel\\u202c left")
print("nul \\x00 bell \\x07 end")
def run():
    return {"html": """${MARKUP}""", "bidi": "\\u202eabc"}
`,
  'one-line': `print("x" * (1 << 20) + "END")\n`,
  lines: `for n in range(100_000): print(n)\n`,
  deep: `
def run():
    value = 1
    for _ in range(99): value = [value]
    return value
`,
  // The server takes no result of more than 100 levels, and says so.
  deeper: `
def run():
    value = 1
    for _ in range(500): value = [value]
    return value
`,
  wide: `
def run():
    return {f"key-{n}": n for n in range(50_000)}
`,
  failing: `raise ValueError("""${MARKUP}""")\n`,
  files: `
import os
os.makedirs("/output", exist_ok=True)
open("/output/image.png", "w").write("""<html><script>window.caught=1</script></html>""")
open("/output/picture.svg", "w").write("""<svg xmlns="http://www.w3.org/2000/svg" onload="window.caught=1"><script>window.caught=1</script></svg>""")
open("/output/page.html", "w").write("""${MARKUP}""")
open("/output/table.csv", "w").write('name,note\\n"<b>x</b>","=1+1"\\n')
open("/output/a \\u202egnp.exe", "w").write("x")
`,
}

let server: Server
const runs: Record<string, string> = {}
before(async () => {
  server = await Server.start()
  for (const [name, source] of Object.entries(SOURCES)) {
    await server.script(name, source)
    runs[name] = (await server.run(name)).id
  }
  await server.script(`${'长'.repeat(60)}`, `# /// script\n# tool.cronbox = { title = ${JSON.stringify(MARKUP)} }\n# ///\nprint(1)\n`)
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

async function nothingWasCaught(tab: Tab): Promise<void> {
  assert.equal(await tab.page.evaluate(() => 'caught' in window), false)
  assert.equal(await tab.page.locator('img[src="x"], b').count(), 0)
}

for (const name of Object.keys(SOURCES)) {
  test(`the run of ${name}`, async () => {
    const tab = await Tab.open(server)
    const began = performance.now()
    await tab.go(`/runs/${runs[name]}`)
    await tab.page.getByText(name === 'failing' || name === 'deeper' ? 'failed' : 'succeeded', { exact: true }).first().waitFor()
    await nothingWasCaught(tab)
    await tab.checkWidth()
    await tab.checkAccessibility()
    assert(performance.now() - began < 20_000, 'it took longer than 20 s')
    await tab.close()
  })
}

test('the output of a run', async () => {
  const tab = await Tab.open(server, `/runs/${runs['printed']}`)
  const text = tab.page.getByText('plain', { exact: false }).first()
  await text.waitFor()
  const shown = await tab.page.locator('body').innerText()
  assert(shown.includes('<b>bold</b>'), 'markup is text')
  assert(!shown.includes('\u001b') && !shown.includes('\u202e'), 'control characters are not passed on')
  await tab.close()
})

test('lists with hostile names and results', async () => {
  const tab = await Tab.open(server)
  for (const address of ['/', '/runs', '/scripts', `/scripts/${encodeURIComponent('长'.repeat(60))}`, '/scripts/failing/code']) {
    await tab.go(address)
    for (const width of [400, 1280]) {
      await tab.page.setViewportSize({ width, height: 900 })
      await tab.checkWidth()
    }
    await nothingWasCaught(tab)
  }
  await tab.close()
})
