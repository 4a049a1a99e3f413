/** The newest values of an endless row, found by their number since its beginning. */
export class Newest<T extends Float32Array | Uint8Array> {
  private from = 0
  private to = 0 // room[from..to) is kept
  private first = 0 // the number of the first one kept

  constructor(private room: T) {}

  /** How many there have been. */
  get end(): number {
    return this.first + this.to - this.from
  }

  append(values: T): void {
    if (this.to + values.length > this.room.length) {
      const kept = this.room.subarray(this.from, this.to)
      const needed = kept.length + values.length
      if (2 * needed > this.room.length) {
        const room = new (this.room.constructor as new (length: number) => T)(2 * needed) // half stays free: copies are rare
        room.set(kept)
        this.room = room
      } else this.room.copyWithin(0, this.from, this.to)
      this.from = 0
      this.to = kept.length
    }
    this.room.set(values, this.to)
    this.to += values.length
  }

  /** Keep those from number `before` on. */
  forget(before: number): void {
    const n = Math.min(Math.max(before - this.first, 0), this.to - this.from)
    this.from += n
    this.first += n
  }

  /** A copy of the numbers start to end - 1, which must be kept still. */
  part(start: number, end: number): T {
    return this.room.slice(this.from + start - this.first, this.from + end - this.first) as T
  }
}
