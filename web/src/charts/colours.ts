/** Colours of the design for a canvas, which does not know CSS. */

/** How many colours lines have; after that they come again, dashed. */
export const COLOURS = 6
const DASHES = [[], [7, 4], [2, 3]]

export const seriesColour = (at: number): string => `var(--series-${(at % COLOURS) + 1})`
/** How the line of a series is broken, in pixels; nothing: it is not. */
export const seriesDash = (at: number): number[] => DASHES[Math.floor(at / COLOURS) % DASHES.length] ?? []

/** What a colour of the design is now, in the theme that this element has. */
export function resolver(element: HTMLElement): (colour: string) => string {
  const probe = document.createElement('span')
  probe.hidden = true
  element.append(probe)
  const found = new Map<string, string>()
  return (colour) => {
    const known = found.get(colour)
    if (known !== undefined) return known
    if (!probe.isConnected) element.append(probe)
    probe.style.color = colour
    const value = getComputedStyle(probe).color
    found.set(colour, value)
    probe.remove()
    return value
  }
}
