/** Every page, light and dark, in both languages, narrow and wide: accessible, not wider than the window, without an error. */
import { after, before, test } from 'node:test'
import { seed } from './seed.ts'
import { closeBrowser, Server, Tab } from './support.ts'

let server: Server
let pages: Record<string, string>
before(async () => {
  server = await Server.start()
  pages = await seed(server)
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

for (const colorScheme of ['light', 'dark'] as const) {
  for (const locale of ['en-US', 'zh-CN']) {
    test(`every page, ${colorScheme}, ${locale}`, async (context) => {
      const tab = await Tab.open(server, '/', { colorScheme, locale })
      for (const [name, address] of Object.entries(pages)) {
        await context.test(name, async () => {
          for (const width of [1280, 320]) {
            await tab.page.setViewportSize({ width, height: 860 })
            if (width === 1280) await tab.go(address)
            await tab.page.locator('[role="status"] .line').first().waitFor({ state: 'detached' })
            await tab.checkWidth()
            await tab.checkAccessibility()
          }
        })
      }
      await tab.close()
    })
  }
}
