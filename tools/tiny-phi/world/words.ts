// Nothing -> what the world knows of words: opposites, synonyms, plurals and past tenses.

const pairs = (text: string): readonly (readonly [string, string])[] =>
  text
    .trim()
    .split(/[,\n]+/)
    .map((pair) => pair.trim().split(" ") as [string, string]);

export const opposites = pairs(`
hot cold, big small, fast slow, light dark, open closed, early late, hard soft, full empty, high low, young old
happy sad, good bad, wet dry, clean dirty, rich poor, strong weak, long short, wide narrow, thick thin, deep shallow
loud quiet, near far, new used, right wrong, true false, sweet bitter, rough smooth, sharp blunt, heavy weightless, safe dangerous
easy difficult, cheap expensive, brave cowardly, kind cruel, polite rude, wise foolish, lazy busy, calm nervous, alive dead, awake asleep
beautiful ugly, common rare, simple complex, public private, healthy sick, lucky unlucky, ripe unripe, tight loose, straight crooked, generous greedy
up down, left right, in out, over under, before after, first last, always never, more less, inside outside, above below
day night, summer winter, friend enemy, love hate, begin end, give take, buy sell, win lose, push pull, laugh cry
come go, remember forget, arrive leave, build destroy, ask answer, float sink, rise fall, lend borrow, arrive depart, whisper shout
north south, east west, front back, top bottom, winner loser, king queen, success failure, peace war, truth lie, heaven hell
`).filter(([a, b], i, all) => all.findIndex((other) => [a, b].some((word) => other.includes(word))) === i);

export const synonyms = pairs(`
big large, small little, happy glad, fast quick, smart clever, begin start, end finish, shout yell, silent quiet, ill sick
rich wealthy, angry cross, brave bold, pretty lovely, odd strange, simple easy, tired sleepy, correct right, shut close, jump leap
gift present, road street, stone rock, forest wood, boat ship, road way, shop store, home house, child kid, dad father
mum mother, couch sofa, talk speak, look watch, weep cry, reply answer, repair mend, choose pick, hurry rush, purchase buy
`).filter(([a, b], i, all) => all.findIndex((other) => [a, b].some((word) => other.includes(word))) === i);

export const plurals = pairs(`
box boxes, city cities, leaf leaves, mouse mice, child children, bus buses, foot feet, party parties, knife knives, tooth teeth
man men, woman women, goose geese, sheep sheep, fish fish, deer deer, wolf wolves, shelf shelves, loaf loaves, wife wives
life lives, half halves, thief thieves, scarf scarves, story stories, baby babies, lady ladies, berry berries, cherry cherries, puppy puppies
fly flies, army armies, family families, country countries, potato potatoes, tomato tomatoes, hero heroes, echo echoes, dish dishes, brush brushes
bench benches, watch watches, church churches, glass glasses, dress dresses, fox foxes, class classes, peach peaches, match matches, wish wishes
dog dogs, cat cats, tree trees, house houses, book books, car cars, apple apples, chair chairs, table tables, river rivers
king kings, queen queens, boy boys, girl girls, day days, key keys, toy toys, monkey monkeys, donkey donkeys, valley valleys
star stars, cloud clouds, flower flowers, garden gardens, horse horses, bird birds, window windows, door doors, road roads, stone stones
piano pianos, photo photos, radio radios, spoon spoons, plate plates, cup cups, bottle bottles, letter letters, song songs, ship ships
ox oxen, person people, calf calves, elf elves, penny pennies, lorry lorries, butterfly butterflies, fairy fairies, sandwich sandwiches, witch witches
`);

export interface Verb {
  readonly base: string;
  readonly past: string;
  /** What follows the verb in a sentence: "to the park". */
  readonly rest: string;
}

export const verbs: readonly Verb[] = `
walk walked to the park
play played in the garden
open opened the window
close closed the door
paint painted the fence
wash washed the dishes
clean cleaned the room
cook cooked the soup
bake baked a cake
help helped the farmer
call called the doctor
visit visited the museum
watch watched the birds
look looked at the sky
listen listened to the radio
laugh laughed at the clown
smile smiled at the baby
dance danced on the stage
jump jumped over the wall
climb climbed the tree
push pushed the cart
pull pulled the rope
carry carried the basket
hurry hurried to the station
study studied the map
cry cried in the night
try tried the soup
stop stopped at the bridge
plan planned the party
drop dropped the plate
clap clapped after the song
hug hugged the dog
plant planted a tree
count counted the coins
repair repaired the clock
rest rested on the bench
talk talked to the teacher
ask asked the waiter
answer answered the letter
thank thanked the nurse
follow followed the path
wait waited at the gate
want wanted a new coat
need needed a lamp
love loved the sea
like liked the story
move moved the table
share shared the bread
save saved the money
use used the hammer
live lived in the village
learn learned the song
enjoy enjoyed the music
pick picked the apples
pack packed the bag
fill filled the bucket
lift lifted the box
sail sailed to the island
order ordered a pizza
dream dreamed of the moon
run ran to the lake
go went to the market
come came to the party
see saw a rainbow
eat ate an apple
drink drank the milk
give gave a speech
take took the train
make made a kite
write wrote a letter
read read the book
sing sang a song
swim swam in the river
drive drove the bus
ride rode the horse
fly flew to the island
buy bought a hat
sell sold the car
bring brought the tea
think thought about the trip
catch caught the ball
teach taught the class
find found a coin
lose lost the key
hold held the lamp
keep kept the secret
sleep slept in the tent
feel felt the wind
leave left the house
meet met the pilot
sit sat on the chair
stand stood by the window
build built a tower
send sent a card
spend spent the money
break broke the cup
speak spoke to the judge
wake woke at dawn
choose chose the blue shirt
wear wore a red scarf
draw drew a picture
grow grew some beans
know knew the answer
throw threw the stone
fall fell on the ice
forget forgot the ticket
hide hid the present
win won the race
dig dug a hole
cut cut the paper
tell told a joke
say said a few words
hear heard a noise
pay paid the driver
feed fed the ducks
begin began the work
shake shook the tree
steal stole the ring
lend lent a pen
hit hit the nail
`
  .trim()
  .split("\n")
  .map((line) => {
    const [base, past, ...rest] = line.split(" ");
    return { base: base!, past: past!, rest: rest.join(" ") };
  });

/** Commands that can be made polite: "open the window". */
export const commands: readonly string[] = verbs
  .filter(({ base }) =>
    /^(?:open|close|paint|wash|clean|cook|help|call|watch|carry|repair|count|push|pull|fill|lift|move|share|bring|read|sell|build|feed|pay|pack|pick|answer|thank|follow|study|throw|hold|drive|use|try|take)$/.test(
      base,
    ),
  )
  .map(({ base, rest }) => `${base} ${rest}`);

export const numberWords: readonly string[] =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split(
    " ",
  );
