/** The element of index.html with this id. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`index.html has no #${id}`)
  return found as T
}

/** A new element that holds a text, as text. */
export function made(tag: string, text: string, className = ''): HTMLElement {
  const result = document.createElement(tag)
  result.textContent = text
  if (className) result.className = className
  return result
}

/** Writes a text only where it changes, so that screen readers hear news alone. */
export function write(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

/** A label as people read it. */
export function shown(label: string): string {
  return label.replaceAll('_', ' ')
}

/** 75 s as 1:15, or as 1:15.2. */
export function clock(seconds: number, digits = 0): string {
  const rounded = Math.round(seconds * 10 ** digits) / 10 ** digits
  const minutes = Math.floor(rounded / 60)
  return `${minutes}:${(rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, '0')}`
}
