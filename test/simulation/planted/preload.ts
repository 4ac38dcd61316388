/** Loaded before a child of the simulation: breaks the code under test as the plant says whose number is in the environment. */
import { registerHooks } from 'node:module';
import { PLANTS } from './plants.ts';

const plant = PLANTS[Number(process.env['SIMULATION_PLANT'])];
if (plant === undefined) throw new Error('SIMULATION_PLANT names no plant');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const edits = plant.edits.filter(({ module }) => url.endsWith(`/src/${module}`));
    if (edits.length === 0) return loaded;
    let source = Buffer.from(loaded.source as Uint8Array).toString('utf8');
    for (const { module, find, replace } of edits) {
      if (source.split(find).length !== 2)
        throw new Error(`plant ${plant.name}: its place in ${module} is not there once`);
      source = source.replace(find, () => replace);
    }
    return { ...loaded, source };
  },
});
