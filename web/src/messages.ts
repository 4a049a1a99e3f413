// What the page and its worker say to each other. A sound has a number, so that answers to an older one are known.

import type { Card } from './card'
import type { Columns } from './picture'
import type { StreamDecision } from './stream'

export type ToWorker =
  | { kind: 'open'; data: Uint8Array<ArrayBuffer>; card: Card; request: number }
  | { kind: 'begin'; sound: number; rate: number; columnSamples: number; clip: boolean }
  | { kind: 'feed'; sound: number; channels: Float32Array[] }
  | { kind: 'flush'; sound: number }

export type Clip = { label: number; score: number; scores: Float32Array; windows: number }

export type FromWorker =
  | { kind: 'opened'; request: number }
  | { kind: 'refused'; request: number; words: string }
  | { kind: 'fed'; sound: number; decisions: StreamDecision[]; columns: Columns }
  | { kind: 'ended'; sound: number; decisions: StreamDecision[]; clip: Clip | null }
  | { kind: 'failed'; sound: number; words: string }
