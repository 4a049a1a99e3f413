import type { Card } from './card'
import { clock, element, made, shown } from './dom'
import type { History } from './history'
import { SILENCE, UNKNOWN } from './stream'

const MOST_ROWS = 60

/** The newest decisions as a table, newest first; the file of `csv.ts` holds them all. */
export class DecisionTable {
  private readonly body = element('decisions')
  private told = 0

  clear(): void {
    this.told = 0
    const row = document.createElement('tr')
    const cell = made('td', 'None yet.', 'none') as HTMLTableCellElement
    cell.colSpan = 4
    row.append(cell)
    this.body.replaceChildren(row)
  }

  update(card: Card, history: History): void {
    if (history.length === this.told) return
    if (!this.told) this.body.replaceChildren()
    for (let i = Math.max(this.told, history.length - MOST_ROWS); i < history.length; i++) {
      const { start, end, label, score, level } = history.at(i)
      const words = label === UNKNOWN ? 'unknown' : label === SILENCE ? 'silence' : shown(card.labels[label]!)
      const row = document.createElement('tr')
      row.append(
        made('td', `${clock(start, 1)} – ${clock(end, 1)}`),
        made('td', words, label < 0 ? 'unsure' : ''),
        made('td', label === SILENCE ? '' : score.toFixed(2)),
        made('td', level.toFixed(0).replace('-', '−')),
      )
      this.body.prepend(row)
    }
    while (this.body.children.length > MOST_ROWS) this.body.lastElementChild?.remove()
    this.told = history.length
  }
}
