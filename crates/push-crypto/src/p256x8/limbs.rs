//! Products of five limbs, modulo p: the innermost part of everything.

use super::field::MASK;
use super::lanes::Lanes;

/// Five limbs; of factors the low 52 bits count.
pub(super) type Limbs<V> = [V; 5];

/// A sum of products in ten columns, with a sign and within ±2^60.
type Columns<V> = [V; 10];

/// See [`super::field::Field::multiply`].
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn multiply<L: Lanes>(l: L, a: Limbs<L::Vector>, b: Limbs<L::Vector>) -> Limbs<L::Vector> {
    multiply_onto(l, [l.splat(0); 10], a, b)
}

/// See [`super::field::Field::multiply_less_product`].
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn multiply_less_product<L: Lanes>(
    l: L,
    (a, b): (Limbs<L::Vector>, Limbs<L::Vector>),
    (c, d): (Limbs<L::Vector>, Limbs<L::Vector>),
) -> Limbs<L::Vector> {
    multiply_onto(l, subtract(l, [l.splat(0); 10], product(l, c, d)), a, b)
}

/// See [`super::field::Field::multiply_less_squares`].
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn multiply_less_squares<L: Lanes>(
    l: L,
    (a, b): (Limbs<L::Vector>, Limbs<L::Vector>),
    c: Limbs<L::Vector>,
) -> Limbs<L::Vector> {
    let square = square_columns(l, c);
    multiply_onto(l, subtract(l, subtract(l, [l.splat(0); 10], square), square), a, b)
}

/// See [`super::field::Field::square`].
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn square<L: Lanes>(l: L, a: Limbs<L::Vector>) -> Limbs<L::Vector> {
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9] = square_columns(l, a);
    let [t1, t2, t3, t4, t5] = reduce_digit_of_square(l, [t0, t1, t2, t3, t4, t5]);
    let [t2, t3, t4, t5, t6] = reduce_digit_of_square(l, [t1, t2, t3, t4, t5, t6]);
    let [t3, t4, t5, t6, t7] = reduce_digit_of_square(l, [t2, t3, t4, t5, t6, t7]);
    let [t4, t5, t6, t7, t8] = reduce_digit_of_square(l, [t3, t4, t5, t6, t7, t8]);
    reduce_digit_of_square(l, [t4, t5, t6, t7, t8, t9])
}

/// The sum and a product, reduced: a digit after each row, so that the digits are not waited for in the end.
///
/// Montgomery's reduction makes c/R + q p/R, with q < R, of columns of value c, which may be negative. So of c below x p² it
/// makes a number below x/16 + 1, and of c above -x p² one above -x/16. p is -1 modulo 2^52, so that each digit of q is the
/// lowest column itself.
#[inline(always)]
fn multiply_onto<L: Lanes>(
    l: L,
    sum: Columns<L::Vector>,
    a: Limbs<L::Vector>,
    b: Limbs<L::Vector>,
) -> Limbs<L::Vector> {
    let ([t0, t1, t2, t3, t4, t5, t6, t7, t8, t9], [a0, a1, a2, a3, a4]) = (sum, a);
    let [t1, t2, t3, t4, t5] = reduce_digit(l, row(l, [t0, t1, t2, t3, t4, t5], a0, b));
    let [t2, t3, t4, t5, t6] = reduce_digit(l, row(l, [t1, t2, t3, t4, t5, t6], a1, b));
    let [t3, t4, t5, t6, t7] = reduce_digit(l, row(l, [t2, t3, t4, t5, t6, t7], a2, b));
    let [t4, t5, t6, t7, t8] = reduce_digit(l, row(l, [t3, t4, t5, t6, t7, t8], a3, b));
    reduce_digit(l, row(l, [t4, t5, t6, t7, t8, t9], a4, b))
}

/// All 25 products of limbs, by rows. A column has at most nine halves of 52 bits: below 2^56.
#[cfg_attr(not(debug_assertions), inline(always))]
fn product<L: Lanes>(l: L, a: Limbs<L::Vector>, b: Limbs<L::Vector>) -> Columns<L::Vector> {
    let ([a0, a1, a2, a3, a4], zero) = (a, l.splat(0));
    let [t0, u1, u2, u3, u4, u5] = row(l, [zero; 6], a0, b);
    let [t1, u2, u3, u4, u5, u6] = row(l, [u1, u2, u3, u4, u5, zero], a1, b);
    let [t2, u3, u4, u5, u6, u7] = row(l, [u2, u3, u4, u5, u6, zero], a2, b);
    let [t3, u4, u5, u6, u7, u8] = row(l, [u3, u4, u5, u6, u7, zero], a3, b);
    let [t4, t5, t6, t7, t8, t9] = row(l, [u4, u5, u6, u7, u8, zero], a4, b);
    [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9]
}

#[inline(always)]
fn row<L: Lanes>(l: L, t: [L::Vector; 6], a: L::Vector, b: Limbs<L::Vector>) -> [L::Vector; 6] {
    let ([t0, t1, t2, t3, t4, t5], [b0, b1, b2, b3, b4]) = (t, b);
    [
        l.add_product_low(t0, a, b0),
        l.add_product_high(l.add_product_low(t1, a, b1), a, b0),
        l.add_product_high(l.add_product_low(t2, a, b2), a, b1),
        l.add_product_high(l.add_product_low(t3, a, b3), a, b2),
        l.add_product_high(l.add_product_low(t4, a, b4), a, b3),
        l.add_product_high(t5, a, b4),
    ]
}

/// As [`product`] of a number with itself: what occurs twice is computed once.
#[cfg_attr(not(debug_assertions), inline(always))]
fn square_columns<L: Lanes>(l: L, a: Limbs<L::Vector>) -> Columns<L::Vector> {
    let ([a0, a1, a2, a3, a4], zero) = (a, l.splat(0));
    let low = |sum, a, b| l.add_product_low(sum, a, b);
    let high = |sum, a, b| l.add_product_high(sum, a, b);
    let twice = |a| l.add(a, a);
    let t1 = low(zero, a0, a1);
    let t2 = high(low(zero, a0, a2), a0, a1);
    let t3 = low(high(low(zero, a0, a3), a0, a2), a1, a2);
    let t4 = high(low(high(low(zero, a0, a4), a0, a3), a1, a3), a1, a2);
    let t5 = low(high(low(high(zero, a0, a4), a1, a4), a1, a3), a2, a3);
    let t6 = high(low(high(zero, a1, a4), a2, a4), a2, a3);
    let t7 = low(high(zero, a2, a4), a3, a4);
    let t8 = high(zero, a3, a4);
    [
        low(zero, a0, a0),
        high(twice(t1), a0, a0),
        low(twice(t2), a1, a1),
        high(twice(t3), a1, a1),
        low(twice(t4), a2, a2),
        high(twice(t5), a2, a2),
        low(twice(t6), a3, a3),
        high(twice(t7), a3, a3),
        low(twice(t8), a4, a4),
        high(zero, a4, a4),
    ]
}

#[inline(always)]
fn subtract<L: Lanes>(l: L, a: Columns<L::Vector>, b: Columns<L::Vector>) -> Columns<L::Vector> {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9] = a;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9] = b;
    [
        l.sub(a0, b0),
        l.sub(a1, b1),
        l.sub(a2, b2),
        l.sub(a3, b3),
        l.sub(a4, b4),
        l.sub(a5, b5),
        l.sub(a6, b6),
        l.sub(a7, b7),
        l.sub(a8, b8),
        l.sub(a9, b9),
    ]
}

/// One digit q, the low 52 bits of the lowest column. Adding q p is to take q away and to add q (p + 1), in which
/// p + 1 = 2^44·2^52 + 2^36·2^156 + (2^48 - 2^16)·2^208. Powers of two are shifts where the multiplier has enough to do.
#[inline(always)]
fn reduce_digit<L: Lanes>(l: L, t: [L::Vector; 6]) -> Limbs<L::Vector> {
    let [t0, t1, t2, t3, t4, t5] = t;
    let (third, fourth) = (l.splat(1 << 36), l.splat((1 << 48) - (1 << 16)));
    let q = l.and(t0, l.splat(MASK));
    [
        next_digit(l, t0, t1),
        l.add(t2, l.shift_right::<8>(q)),
        l.add_product_low(t3, t0, third),
        l.add_product_low(l.add(t4, l.shift_right::<16>(q)), t0, fourth),
        l.add_product_high(t5, t0, fourth),
    ]
}

/// As [`reduce_digit`], where the multiplier has less to do.
#[inline(always)]
fn reduce_digit_of_square<L: Lanes>(l: L, t: [L::Vector; 6]) -> Limbs<L::Vector> {
    let [t0, t1, t2, t3, t4, t5] = t;
    let (first, third, fourth) = (l.splat(1 << 44), l.splat(1 << 36), l.splat((1 << 48) - (1 << 16)));
    [
        next_digit(l, t0, t1),
        l.add_product_high(t2, t0, first),
        l.add_product_low(t3, t0, third),
        l.add_product_low(l.add_product_high(t4, t0, third), t0, fourth),
        l.add_product_high(t5, t0, fourth),
    ]
}

/// The column after a digit. All that follows waits for it, so it is made by the quickest instructions.
#[inline(always)]
fn next_digit<L: Lanes>(l: L, t0: L::Vector, t1: L::Vector) -> L::Vector {
    let low = l.and(l.shift_left::<44>(t0), l.splat(MASK));
    l.add(l.add(t1, l.shift_right::<52>(t0)), low)
}
