// Colours of the pictures, by theme. Blue to green for sound, amber for decisions: apart for every kind of colour vision,
// and lightness alone tells the order.

export interface Palette {
  sound: Uint8ClampedArray // 256 colours, red green blue alpha, from silence to loud
  ink: string
  soft: string
  line: string
  accent: string
  cool: string
  bad: string
}

const DARK = ['#0f1217', '#142338', '#17406a', '#1c6b8c', '#2f9c9b', '#7fcfae', '#f1f5c8']
const LIGHT = ['#faf9f6', '#dfebe6', '#a8d5cd', '#5fb0b0', '#2a7d95', '#1d4c78', '#141f3d']

const dark = matchMedia('(prefers-color-scheme: dark)')

/** The palette of the theme that the browser asks for now. */
export function palette(): Palette {
  const style = getComputedStyle(document.documentElement)
  const value = (name: string) => style.getPropertyValue(name).trim()
  return {
    sound: ramp(dark.matches ? DARK : LIGHT),
    ink: value('--ink'),
    soft: value('--soft'),
    line: value('--line'),
    accent: value('--accent'),
    cool: value('--cool'),
    bad: value('--bad'),
  }
}

/** Calls when the theme changes. */
export function onTheme(changed: () => void): void {
  dark.addEventListener('change', changed)
}

function ramp(stops: string[]): Uint8ClampedArray {
  const colours = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)))
  const result = new Uint8ClampedArray(256 * 4)
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (colours.length - 1)
    const left = Math.min(Math.floor(place), colours.length - 2)
    for (let c = 0; c < 3; c++) {
      const [a, b] = [colours[left]![c]!, colours[left + 1]![c]!]
      result[4 * i + c] = a + (place - left) * (b - a)
    }
    result[4 * i + 3] = 255
  }
  return result
}
