import type { Card } from './card'
import type { History } from './history'
import type { Clip } from './messages'
import { SILENCE, UNKNOWN } from './stream'

/** The decisions as RFC 4180 has them: a row for the clip where there is one, then a row a window, all scores. */
export function csv(card: Card, source: string, history: History, clip: Clip | null, seconds: number): Blob {
  const header = ['source', 'of', 'start_s', 'end_s', 'label', 'score', 'level_dbfs', 'clipped', ...card.labels]
  const parts = [header.map(cell).join(',') + '\r\n']
  const row = (of: string, start: number, end: number, label: number, score: number, rest: string[], scores: Float32Array) => {
    const shown = label === SILENCE ? '' : Array.from(scores, (value) => value.toFixed(6))
    const cells = [cell(source), of, start.toFixed(3), end.toFixed(3), cell(name(card, label)), score.toFixed(6), ...rest]
    parts.push([...cells, ...(shown || card.labels.map(() => ''))].join(',') + '\r\n')
  }
  if (clip) row('clip', 0, seconds, clip.label, clip.score, ['', ''], clip.scores)
  for (let i = history.first; i < history.length; i++) {
    const { start, end, label, score, level, clipped, scores } = history.at(i)
    row('window', start, end, label, score, [level.toFixed(1), clipped.toFixed(5)], scores)
  }
  return new Blob(parts, { type: 'text/csv;charset=utf-8' })
}

/** A text as a cell: quoted where it must be, and never a formula for a spreadsheet to run. */
export function cell(text: string): string {
  const safe = /^[\s]*[=+\-@]|^[\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** A decision's label in words. */
export function name(card: Card, label: number): string {
  if (label === UNKNOWN) return 'unknown'
  return label === SILENCE ? '' : card.labels[label]!
}
