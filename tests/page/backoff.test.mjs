// How long to wait before the next attempt, by itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { delay } from '../../src/api/page/backoff.js';

test('delays double up to half a minute, and no two pages keep step', () => {
  const bounds = [1, 2, 4, 8, 16, 30, 30, 30].map((seconds) => seconds * 1_000);
  bounds.forEach((ceiling, failures) => {
    assert.equal(delay(failures, 0), ceiling / 2);
    assert.equal(delay(failures, 0.999_999) <= ceiling, true);
    assert.ok(delay(failures, 0.5) > delay(failures, 0.4));
  });
  assert.ok(delay(100_000, 0.5) <= 30_000);
  const spread = new Set(Array.from({ length: 50 }, () => delay(5)));
  assert.ok(spread.size > 40);
});
