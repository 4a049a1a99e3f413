/** Errors for people: what happened and what to do, shown as they stand. */
export class PageError extends Error {}

/** The words of any error. */
export function wordsOf(error: unknown): string {
  if (error instanceof PageError) return error.message
  const text = error instanceof Error ? error.message : String(error)
  return `Something went wrong that this page does not know: ${text.slice(0, 200)}`
}
