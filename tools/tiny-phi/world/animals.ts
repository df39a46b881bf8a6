// Nothing -> the animals of the world: what each is, where it lives, what it eats, its colour, size and abilities.
import { readTable } from "./grammar.js";

export type AnimalKind = "bird" | "fish" | "insect" | "mammal" | "reptile";
export type Ability = "fly" | "swim" | "run" | "climb" | "jump" | "sing";

export interface Animal {
  readonly name: string;
  readonly kind: AnimalKind;
  /** "in the forest" */
  readonly home: string;
  readonly food: string;
  readonly colour: string;
  readonly size: "tiny" | "small" | "big" | "huge";
  readonly abilities: readonly Ability[];
}

export const animals: readonly Animal[] = readTable(`
sparrow | bird | in gardens | seeds | brown | small | fly sing
robin | bird | in gardens | worms | red | small | fly sing
eagle | bird | in the mountains | rabbits | brown | big | fly
owl | bird | in the forest | mice | brown | big | fly
crow | bird | in the fields | seeds | black | small | fly
swan | bird | on lakes | water plants | white | big | fly swim
duck | bird | on lakes | water plants | green | small | fly swim
parrot | bird | in the jungle | nuts | green | small | fly climb
penguin | bird | on the ice | fish | black | big | swim
ostrich | bird | in the desert | leaves | grey | huge | run
pigeon | bird | in the city | bread | grey | small | fly
goose | bird | on farms | grass | white | big | fly swim
hen | bird | on farms | seeds | brown | small | run
gull | bird | by the sea | fish | white | small | fly swim
stork | bird | by rivers | frogs | white | big | fly
canary | bird | in cages | seeds | yellow | small | fly sing
flamingo | bird | on lakes | shrimps | pink | big | fly
raven | bird | in the mountains | worms | black | big | fly
trout | fish | in rivers | flies | brown | small | swim jump
salmon | fish | in rivers | shrimps | pink | big | swim jump
shark | fish | in the sea | fish | grey | huge | swim
tuna | fish | in the sea | fish | blue | big | swim
herring | fish | in the sea | shrimps | silver | small | swim
carp | fish | in ponds | water plants | brown | big | swim
eel | fish | in rivers | worms | black | big | swim
goldfish | fish | in ponds | flies | orange | small | swim
cod | fish | in the sea | shrimps | grey | big | swim
pike | fish | in lakes | frogs | green | big | swim
perch | fish | in ponds | worms | green | small | swim
sardine | fish | in the sea | water plants | silver | small | swim
ant | insect | in the ground | sugar | black | tiny | climb
bee | insect | in gardens | honey | yellow | tiny | fly
wasp | insect | in gardens | sugar | yellow | tiny | fly
butterfly | insect | in the fields | nectar | orange | tiny | fly
beetle | insect | in the forest | leaves | black | tiny | climb
fly | insect | in houses | sugar | black | tiny | fly
mosquito | insect | by rivers | blood | grey | tiny | fly
moth | insect | in houses | wool | grey | tiny | fly
cricket | insect | in the fields | grass | brown | tiny | jump sing
ladybird | insect | in gardens | small insects | red | tiny | fly climb
dragonfly | insect | by rivers | small insects | blue | tiny | fly
grasshopper | insect | in the fields | grass | green | tiny | jump
dog | mammal | in houses | meat | brown | big | run swim jump
cat | mammal | in houses | fish | grey | small | run climb jump
horse | mammal | on farms | hay | brown | huge | run jump
cow | mammal | on farms | grass | white | huge | run
pig | mammal | on farms | potatoes | pink | big | run
sheep | mammal | on farms | grass | white | big | run
goat | mammal | in the mountains | leaves | white | big | run climb jump
donkey | mammal | on farms | hay | grey | big | run
mouse | mammal | in houses | cheese | grey | tiny | run climb
rabbit | mammal | in the fields | carrots | brown | small | run jump
fox | mammal | in the forest | rabbits | red | big | run
wolf | mammal | in the forest | meat | grey | big | run
bear | mammal | in the forest | honey | brown | huge | run climb swim
deer | mammal | in the forest | leaves | brown | big | run jump
squirrel | mammal | in trees | nuts | red | small | run climb jump
hedgehog | mammal | in gardens | worms | brown | small | run
elephant | mammal | in the jungle | leaves | grey | huge | run
lion | mammal | in the desert | meat | yellow | huge | run jump
tiger | mammal | in the jungle | meat | orange | huge | run climb swim
monkey | mammal | in the jungle | bananas | brown | small | climb jump
whale | mammal | in the sea | shrimps | blue | huge | swim
dolphin | mammal | in the sea | fish | grey | big | swim jump
bat | mammal | in caves | flies | black | small | fly
camel | mammal | in the desert | dry grass | brown | huge | run
panda | mammal | in the jungle | bamboo | black | big | climb
mole | mammal | in the ground | worms | black | small | swim
otter | mammal | by rivers | fish | brown | small | run swim
kangaroo | mammal | in the desert | grass | red | big | jump
snake | reptile | in the desert | mice | green | big | swim climb
lizard | reptile | in the desert | flies | green | small | run climb
turtle | reptile | in the sea | water plants | green | big | swim
crocodile | reptile | by rivers | meat | green | huge | swim
tortoise | reptile | in gardens | leaves | brown | small | climb
gecko | reptile | in houses | small insects | green | tiny | run climb
`).map(([name, kind, home, food, colour, size, abilities]) => ({
  name: name!,
  kind: kind as AnimalKind,
  home: home!,
  food: food!,
  colour: colour!,
  size: size as Animal["size"],
  abilities: abilities!.split(" ") as Ability[],
}));
